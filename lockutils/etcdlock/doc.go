// Package etcdlock gives the locks of package lockutils between machines, kept by an etcd cluster. It runs on the
// service's side alone: the root helper never links it, and it is a module of its own so that nobody else does.
//
//	locks, err := lockutils.Open(ctx, "etcd://10.0.0.1:2379,10.0.0.2:2379/netservice?ttl=10s", etcdlock.Scheme)
//	if err != nil {
//		return err
//	}
//	defer locks.Close()
//	held, err := locks.Lock(ctx, "bridge/br0")
//	if err != nil {
//		return err // when ctx's deadline has passed: who holds it, with machine and pid
//	}
//	defer held.Unlock()
//	return write(held.Context(), held.Token()) // the context ends when the lock is lost
//
// A lock in etcd is a lease, and a lease ends when the cluster has not heard of its owner for a TTL, whether or not the
// owner knows. Held.Lost is closed before that can have happened, but nothing can stop what is on its way already. What
// must not be done late has to be refused where it is done: there, remember the greatest Held.Token seen, and refuse a
// smaller one. A root helper does that for a rule with `fence = bridge`, or for an entrypoint made by NewFencedEntrypoint:
//
//	cmd := helper.Command("ip", "link", "set", "br0", "up")
//	cmd.Token = held.Token()
//	err := cmd.Run() // privsep.CodeFenced: another has held the lock since
//
// It remembers what the helpers of its own machine have seen, and nothing of other machines'. docs/scaling.md says more.
//
// The keys are those of `etcdctl lock` and of etcd's package concurrency: each excludes the others, first come, first
// served. The lock above is that of `etcdctl lock /netservice/bridge%2Fbr0`.
package etcdlock
