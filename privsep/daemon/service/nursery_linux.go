package service

import (
	"errors"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/confine"
)

// A nursery starts workers, from a thread that has the bounding set which they are to have (Setup.Bounding). Each worker
// would have to lower it itself otherwise, in all of its threads and one capability after the other: half of its start.
// A bounding set is never raised again, so each Setup has a nursery of its own.
//
// The nil nursery starts them from any thread.
type nursery struct {
	births chan *birth
	closed chan struct{}
}

type birth struct {
	attr    *os.ProcAttr
	process *os.Process
	err     error
	done    chan struct{}
}

// newNursery makes the thread for that bounding set. It returns nil where there can be none, since this process has less or may
// not lower it: a worker cannot either, and says so.
func newNursery(bounding *privsep.Capabilities) (*nursery, error) {
	now, err := confine.ReadStatus(0, 0)
	if err != nil {
		return nil, err
	}
	if bounding == nil || *bounding&^now.Bounding != 0 || !now.Permitted.Has(privsep.CAP_SETPCAP) {
		return nil, nil
	}
	n := &nursery{births: make(chan *birth), closed: make(chan struct{})}
	ready := make(chan error)
	go n.live(*bounding, ready)
	return n, <-ready
}

// live is the life of the thread, which ends with it. The main thread stands for the process in /proc, and does not end: it is
// held while another is taken.
func (n *nursery) live(bounding privsep.Capabilities, ready chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == os.Getpid() {
		other := make(chan error)
		go n.live(bounding, other)
		ready <- <-other
		runtime.UnlockOSThread()
		return
	}
	err := confine.ConfineThread(confine.ThreadSpec{DropBounding: true, Bounding: bounding, Inherit: true})
	ready <- err
	if err != nil {
		return
	}
	for {
		select {
		case b := <-n.births:
			b.process, b.err = startProcess(b.attr)
			close(b.done)
		case <-n.closed:
			return
		}
	}
}

// start starts this program once more.
func (n *nursery) start(attr *os.ProcAttr) (*os.Process, error) {
	if n == nil {
		return startProcess(attr)
	}
	b := &birth{attr: attr, done: make(chan struct{})}
	select {
	case n.births <- b:
		<-b.done
		return b.process, b.err
	case <-n.closed:
		return nil, errors.New("the configuration has been reloaded meanwhile")
	}
}

// close ends the thread. It is called once.
func (n *nursery) close() {
	if n != nil {
		close(n.closed)
	}
}

// startProcess starts this very program once more, whatever stands at its path now: an upgrade does not mix two versions in one
// service. In a session of its own: what a terminal sends to the master, the master says to its workers in its own way.
func startProcess(attr *os.ProcAttr) (*os.Process, error) {
	attr.Dir, attr.Env, attr.Sys = "/", []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, &syscall.SysProcAttr{Setsid: true}
	return os.StartProcess("/proc/self/exe", os.Args, attr)
}
