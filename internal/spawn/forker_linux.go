package spawn

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Forker is one kind of thread to fork from: up to GOMAXPROCS operating system threads, made when they are needed, each
// confined once by the same function, and none of them ever ending.
//
// Two reasons. The attributes of one thread (bounding set, no_new_privs, securebits, umask after unshare(CLONE_FS),
// landlock) are inherited by the children forked from it, so that a whole kind of rule costs nothing more a command than
// its first. And the signal that ends a command when its parent dies (prctl(2), PR_SET_PDEATHSIG) comes when the
// *thread* that forked it ends. One thread alone forks some 2,400 times a second. More than one a CPU gain nothing: a thread
// keeps its CPU from the fork to the exec. So the threads are the limit on simultaneous starts, first come, first served.
//
// A Forker is made for the life of the program, or until Retire. It can be used by several groups and by many goroutines.
type Forker struct {
	setup func() error
	jobs  chan *job

	mu      sync.Mutex
	threads int

	life    sync.Mutex
	living  int  // main processes that were forked here, or are about to be
	retired bool // no more of them; the threads end with the last
}

type job struct {
	process *Process
	path    string
	argv    []string
	attr    *syscall.ProcAttr // its PidFD points to the process's
	limits  []Limit
	err     error
	done    chan struct{}
}

// NewForker makes a kind of thread. setup is run once on every one of its threads before it forks, with the goroutine
// locked to it for ever; nil leaves the thread as the process is. The first thread is made at once, so an error of setup
// shows here.
func NewForker(setup func() error) (*Forker, error) {
	f := &Forker{setup: setup, jobs: make(chan *job)}
	if err := f.grow(); err != nil {
		return nil, err
	}
	return f, nil
}

// grow makes one more thread, if there may be one.
func (f *Forker) grow() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.threads >= runtime.GOMAXPROCS(0) {
		return nil
	}
	ready := make(chan error)
	go f.serve(ready)
	if err := <-ready; err != nil {
		return err
	}
	f.threads++
	return nil
}

// serve finds a thread that is not the process's main one, which stands for the process in /proc/PID/status and is only
// parked, not ended, when its goroutine returns locked. While this goroutine holds the main thread, the next gets another.
func (f *Forker) serve(ready chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() != os.Getpid() {
		f.live(ready)
		return
	}
	held := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		close(held)
		f.live(ready)
	}()
	<-held
	runtime.UnlockOSThread()
}

// live is the life of one thread. Where the setup failed the goroutine returns locked, which ends the half confined
// thread instead of handing it back to the scheduler.
func (f *Forker) live(ready chan<- error) {
	err := emptySignalMask()
	if err == nil && f.setup != nil {
		err = f.setup()
	}
	ready <- err
	if err != nil {
		return
	}
	for j := range f.jobs {
		j.err = j.fork()
		close(j.done)
	}
}

// fork is what a thread does for a command. When it returns the reaper knows the command.
func (j *job) fork() error {
	p := j.process
	// Without a tag it is the kernel's default, whatever this process has. The slack is not set back: this thread sleeps on no
	// timer, and its next child gets its own.
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, tagBase+uintptr(p.tag), 0, 0, 0); err != nil {
		return err
	}
	number, err := p.group.begin()
	if err != nil {
		return err
	}
	pid, err := forkExec(j)
	if err == nil && len(j.limits) > 0 {
		if err = setLimits(pid, j.limits); err != nil {
			abandon(pid, p.pidfd)
			pid = 0
		}
	}
	p.group.returned(number, p, pid)
	return err
}

// ErrRetired is what Start returns for a Forker that was retired; it is wrapped in a StartError.
var ErrRetired = errors.New("the kind of thread is retired")

// Retire lets no more commands start, and ends the threads when the last that was started from them has ended: they are
// its parent, and their end is its end.
func (f *Forker) Retire() {
	f.life.Lock()
	again := f.retired
	f.retired = true
	last := f.living == 0
	f.life.Unlock()
	if last && !again {
		close(f.jobs)
	}
}

// enter counts a command that is about to be started, if it may be.
func (f *Forker) enter() bool {
	f.life.Lock()
	defer f.life.Unlock()
	if f.retired {
		return false
	}
	f.living++
	return true
}

// leave is called when the command's main process has ended, or was not started.
func (f *Forker) leave() {
	f.life.Lock()
	f.living--
	last := f.retired && f.living == 0
	f.life.Unlock()
	if last {
		close(f.jobs)
	}
}

// run forks j on one of the threads, the first that is free, in the order of the calls.
func (f *Forker) run(j *job) {
	j.done = make(chan struct{})
	select {
	case f.jobs <- j:
	default:
		// All are busy. A thread that cannot be added is no error: those that exist are confined and serve on.
		_ = f.grow()
		f.jobs <- j
	}
	<-j.done
}

// forkExec is syscall.ForkExec, and afterwards this process is not dumpable if the child took other ids: until it executes
// its program a child of vfork(2) shares its parent's memory, to which the flag belongs, and the kernel sets it to
// fs.suid_dumpable when ids change (credentials(7), prctl(2)), whether the child then executes or not. Where that sysctl is 1
// whoever has our uid could attach to this process and read it.
//
// The pid is 0 with an error.
func forkExec(j *job) (int, error) {
	pid, err := syscall.ForkExec(j.path, j.argv, j.attr)
	if j.attr.Sys.Credential == nil {
		return pid, err
	}
	if derr := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); derr != nil && err == nil {
		abandon(pid, *j.attr.Sys.PidFD)
		return 0, fmt.Errorf("stay not dumpable: %w", derr)
	}
	return pid, err
}
