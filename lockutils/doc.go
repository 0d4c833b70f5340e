// Package lockutils gives named locks, in one process and between processes, that hold against everybody who uses the
// same file: goroutines, other Go processes, Python services with oslo.concurrency or fasteners, and flock(1).
//
// It is linked by both sides: a service guards its own work with it, and the root helper takes the lock that a rule
// names.
//
//	set := &lockutils.Set{Folder: "/run/netservice/locks"}
//	held, err := set.Lock(ctx, "bridge/br0")
//	if err != nil {
//		return err // when ctx's deadline has passed: who holds it, with pid and command
//	}
//	defer held.Unlock()
//
// There are two worlds of file locks, and neither sees the other: flock(2) is what flock(1) and most Go programs take,
// fcntl(2) record locks are what oslo.concurrency and fasteners take. A Set takes both, on one descriptor. What it
// cannot do is make an oslo service and a flock(1) script exclude each other.
//
// Waiting is done in the kernel: nothing polls, and a lock passes between processes in less than a tenth of a
// millisecond. A wait ends with its ctx all the same.
//
// [Keys] and [RWLock] are for one process alone.
package lockutils
