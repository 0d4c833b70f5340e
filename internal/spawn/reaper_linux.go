package spawn

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// children is the one piece of state that the package has, because the kernel has it so: children, adopted orphans and
// SIGCHLD belong to the process, not to a Group.
var children = &reaper{
	forks:    newForks(),
	mains:    map[int]*Process{},
	left:     map[*Process]bool{},
	groups:   map[*Group]bool{},
	tags:     newTags(),
	released: newReleased(),
	again:    make(chan struct{}, 1),
}

// reaper takes the statuses of all children that came from any group, while there is one.
//
// Roads not taken: a goroutine a command in wait4 is a thread a command, and reaps no orphan. A blocking waitid(P_ALL)
// would turn in circles on a child of os/exec that its owner has not waited for.
type reaper struct {
	mu       sync.Mutex
	forks    forks
	mains    map[int]*Process  // by pid, until reaped
	left     map[*Process]bool // reaped, with others in their process group
	groups   map[*Group]bool
	tags     tags
	released released
	stop     chan struct{} // closed to end the goroutine
	again    chan struct{} // asks it to look again
	reaped   chan struct{} // nil, or closed with the next that is taken
}

// join makes g one of the groups whose commands are reaped. The first starts the goroutine.
func (r *reaper) join(g *Group) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.groups[g] = true
	if len(r.groups) > 1 {
		return
	}
	sigchld := make(chan os.Signal, 1)
	signal.Notify(sigchld, syscall.SIGCHLD)
	stop := make(chan struct{})
	r.stop = stop
	go func() {
		defer signal.Stop(sigchld)
		for {
			select {
			case <-sigchld:
				r.reap()
			case <-r.again:
				r.reap()
			case <-stop:
				return
			}
		}
	}()
}

// leave ends the membership of g, and with the last one the goroutine.
func (r *reaper) leave(g *Group) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.groups[g] {
		return
	}
	delete(r.groups, g)
	r.dropLeft(func(p *Process) bool { return p.group == g })
	if len(r.groups) == 0 {
		close(r.stop)
	}
}

// reapBatch is how many are reaped before what is held of them is given back.
const reapBatch = 32

// reap takes all there is to take.
func (r *reaper) reap() {
	for r.reapSome() {
	}
}

// reapMany takes what a bomb leaves at a time, but does not wait for its end: while it runs there is always one more.
func (r *reaper) reapMany() {
	for range 32 {
		if !r.reapSome() {
			return
		}
	}
}

// reapSome takes one batch and reports whether there may be more.
func (r *reaper) reapSome() (more bool) {
	defer r.dropEmpty()
	for range reapBatch {
		pid := peekExited()
		if pid == 0 {
			return false
		}
		switch r.take(pid) {
		case unknown: // it lies before ours until its fork has returned, a moment
			r.takeMains()
			return false
		case foreigner: // it lies before ours until its owner waits for it
			for _, pid := range findChildLister()()(os.Getpid(), 0) {
				r.take(pid)
			}
			return false
		}
	}
	return true
}

// What an ended child is.
type belonging int

const (
	ours      belonging = iota // a command or an orphan of one: it was reaped
	unknown                    // perhaps a command whose fork has not returned yet
	foreigner                  // somebody else's
)

// take reaps pid if it has ended and is a command or an orphan of one.
func (r *reaper) take(pid int) belonging {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.mains[pid]
	if p == nil && r.forks.mayBe(pid) {
		return unknown
	}
	if p == nil && foreign(pid) {
		return foreigner
	}
	r.wait(pid, p)
	return ours
}

// takeMains reaps the commands that have ended, one by one.
func (r *reaper) takeMains() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for pid, p := range r.mains {
		r.wait(pid, p)
	}
}

// wait takes the status of a child that has ended. p is nil for an orphan. r.mu is held.
func (r *reaper) wait(pid int, p *Process) {
	var ws syscall.WaitStatus
	var ru syscall.Rusage
	got, err := syscall.Wait4(pid, &ws, syscall.WNOHANG, &ru)
	for err == syscall.EINTR {
		got, err = syscall.Wait4(pid, &ws, syscall.WNOHANG, &ru)
	}
	if got == pid && p != nil {
		delete(r.mains, pid)
		p.ended(ws, ru)
	}
	if got == pid && r.reaped != nil {
		close(r.reaped)
		r.reaped = nil
	}
}

// dropEmpty gives back what is held of commands whose last descendant has ended: their folders, their pidfds.
func (r *reaper) dropEmpty() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropLeft(func(p *Process) bool { return !p.groupLives() })
	for g := range r.groups {
		for folder := range g.folders {
			if os.Remove(folder) == nil {
				delete(g.folders, folder)
			}
		}
	}
}

// dropLeft gives up the pidfds of reaped commands. r.mu is held.
func (r *reaper) dropLeft(which func(*Process) bool) {
	for p := range r.left {
		if which(p) {
			unix.Close(p.pidfd)
			delete(r.left, p)
		}
	}
}

// peekExited returns the pid of a child that can be reaped, without reaping it, or 0.
func peekExited() int {
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0
		}
		// si_pid follows three ints, aligned like a pointer; x/sys does not name it.
		return int((*[8]int32)(unsafe.Pointer(&info))[3+unsafe.Sizeof(uintptr(0))/8])
	}
}

// foreign reports whether a child of this process came neither from a Forker nor from a command: it carries no tag and
// is in our own session, which nobody can enter from another. It is os/exec's, say, and is neither reaped nor ended.
func foreign(pid int) bool {
	if readTag(pid) != 0 {
		return false
	}
	own, err1 := unix.Getsid(0)
	its, err2 := unix.Getsid(pid)
	return err1 == nil && err2 == nil && own == its
}
