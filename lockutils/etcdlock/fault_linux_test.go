package etcdlock_test

import (
	"sync"
	"syscall"
	"testing"
	"time"
)

// scene is all that can fail.
type scene struct {
	t          *testing.T
	network    *network
	cluster    *cluster
	histories  [locksEach]*history
	contenders [locksEach][contendersEach]*contender
}

// suffer lets a fault happen, and heals it.
func (w *scene) suffer(p planned) {
	w.t.Helper()
	var stopped sync.WaitGroup
	if p.stop > 0 {
		k := w.contenders[p.lock][w.histories[p.lock].holder()]
		stopped.Go(func() { k.stop(p.stop) })
	}
	heal := faults[p.kind].inflict(w, p)
	time.Sleep(p.lasts)
	heal()
	stopped.Wait()
	time.Sleep(p.gap)
}

// holderStopped is the fault in which nothing but a holder fails, for more than a lease.
const holderStopped = "holder stopped"

type fault struct {
	name    string
	inflict func(w *scene, p planned) (heal func())
}

// faults are what can happen to holders, to members and to the network between them.
var faults = []fault{
	{holderStopped, func(*scene, planned) func() { return func() {} }},
	{"holder killed", func(w *scene, p planned) func() {
		h := w.histories[p.lock]
		client := h.holder()
		w.contenders[p.lock][client].end()
		return func() { w.contenders[p.lock][client] = h.contend(w.t, w.cluster, client) }
	}},
	{"leader killed", func(w *scene, p planned) func() { return w.kill(w.leader()) }},
	{"leader hangs", func(w *scene, p planned) func() { return w.hang(w.leader()) }},
	{"member killed", func(w *scene, p planned) func() { return w.kill(p.members[0]) }},
	{"member hangs", func(w *scene, p planned) func() { return w.hang(p.members[0]) }},
	{"majority killed", func(w *scene, p planned) func() { return w.kill(p.members[:2]...) }},
	{"majority hangs", func(w *scene, p planned) func() { return w.hang(p.members[:2]...) }},
	{"all killed", func(w *scene, p planned) func() { return w.kill(p.members...) }},
	// It does not know yet that it was deposed, and answers its clients.
	{"leader cut off from members", func(w *scene, p planned) func() { return w.cut("peers", w.leader()) }},
	{"leader cut off", func(w *scene, p planned) func() {
		leader := w.leader()
		return both(w.cut("peers", leader), w.cut("clients", leader))
	}},
	{"member cut off from members", func(w *scene, p planned) func() { return w.cut("peers", p.members[0]) }},
	{"member cut off", func(w *scene, p planned) func() {
		return both(w.cut("peers", p.members[0]), w.cut("clients", p.members[0]))
	}},
	{"pair cut apart", func(w *scene, p planned) func() { // each still has the third
		return w.switched(w.network.part, w.network.join, p.members[:2])
	}},
	{"each member alone", func(w *scene, p planned) func() { return w.cut("peers", p.members[:2]...) }},
	{"clients reach one member", func(w *scene, p planned) func() { return w.cut("clients", p.members[:2]...) }},
	{"clients reach none", func(w *scene, p planned) func() { return w.cut("clients", p.members...) }},
	// What clients ask is done, and they are not told.
	{"answers of one lost", func(w *scene, p planned) func() {
		return w.switched(w.network.mute, w.network.unmute, p.members[:1])
	}},
	{"answers lost", func(w *scene, p planned) func() { return w.switched(w.network.mute, w.network.unmute, p.members) }},
}

func both(a, b func()) func() { return func() { a(); b() } }

func (w *scene) leader() int { return index(w.cluster, w.cluster.leader()) }

// kill kills members, who find their data when they are started again.
func (w *scene) kill(members ...int) func() {
	for _, i := range members {
		w.cluster.signal(w.cluster.members[i], syscall.SIGKILL)
	}
	return func() {
		for _, i := range members {
			w.cluster.members[i].cmd.Wait()
			w.cluster.start(w.cluster.members[i])
		}
	}
}

func (w *scene) hang(members ...int) func() {
	for _, i := range members {
		w.cluster.signal(w.cluster.members[i], syscall.SIGSTOP)
	}
	return func() {
		for _, i := range members {
			w.cluster.signal(w.cluster.members[i], syscall.SIGCONT)
		}
	}
}

func (w *scene) cut(bridge string, members ...int) func() {
	w.network.set(bridge, "down", members...)
	return func() { w.network.set(bridge, "up", members...) }
}

func (w *scene) switched(on, off func(...int), members []int) func() {
	on(members...)
	return func() { off(members...) }
}
