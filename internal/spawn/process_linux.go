package spawn

import (
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Process is one started command. It may be used by many goroutines.
type Process struct {
	// Pid is the process id of the command's main process. It may belong to another process once Wait has returned.
	Pid int

	group   *Group
	folder  string // in cgroup2, or ""
	tag     tag
	seq     uint64 // of the tag
	session bool

	forker   *Forker
	ownLimit bool // on processes

	// Guarded by children.mu once the process is registered.
	pidfd  int  // of the main process; closed when that was reaped and its process group is empty
	ending bool // KillTree removes the folder
	given  bool // the folder was given back, and may be another command's

	done   chan struct{} // closed when status is set
	status Status        // written before done is closed

	killing sync.Mutex // held while the tree is ended or let go
	letGo   bool       // guarded by killing
}

// Status is how a command ended.
type Status struct {
	// Code is the exit code, 0 to 255, or -1 where a signal ended it.
	Code int
	// Signal is the signal that ended it, or 0.
	Signal syscall.Signal
	// CoreDumped says that the signal left a core dump.
	CoreDumped bool
	// Rusage is what the main process and those of its descendants for which it waited have used.
	Rusage syscall.Rusage
}

// String is the status as os/exec words it: "exit status 1", "signal: killed".
func (s Status) String() string {
	switch {
	case s.Signal == 0:
		return fmt.Sprintf("exit status %d", s.Code)
	case s.CoreDumped:
		return fmt.Sprintf("signal: %v (core dumped)", s.Signal)
	}
	return fmt.Sprintf("signal: %v", s.Signal)
}

// ended is called by the reaper, with children.mu held, when the main process was reaped.
func (p *Process) ended(ws syscall.WaitStatus, ru syscall.Rusage) {
	p.forker.leave()
	p.status = Status{Code: ws.ExitStatus(), Rusage: ru}
	if ws.Signaled() {
		p.status.Signal, p.status.CoreDumped = ws.Signal(), ws.CoreDump()
	}
	if p.folder != "" && !p.ending && !p.group.giveFolder(p, p.status.Signal == unix.SIGKILL) {
		p.group.folders[p.folder] = true // others of it live: KillTree, LetGo or Close removes it
	}
	if p.groupLives() {
		children.left[p] = true
	} else {
		unix.Close(p.pidfd)
	}
	close(p.done)
}

// groupLives reports whether the process group that the main process led has members; false before Linux 6.9, which
// cannot say so of one whose leader was reaped. children.mu is held.
func (p *Process) groupLives() bool {
	if !p.session {
		return false
	}
	err := unix.PidfdSendSignal(p.pidfd, 0, nil, unix.PIDFD_SIGNAL_PROCESS_GROUP)
	return err == nil || err == unix.EPERM
}

// signal reaches the main process and, where it leads a session, its process group, which a session leader cannot leave.
// It goes through the pidfd, which is nobody else's ever, where a number is once its process was reaped (polkit,
// CVE-2019-6133). children.mu is held.
func (p *Process) signal(sig syscall.Signal) error {
	if !p.session {
		return unix.PidfdSendSignal(p.pidfd, sig, nil, 0)
	}
	err := unix.PidfdSendSignal(p.pidfd, sig, nil, unix.PIDFD_SIGNAL_PROCESS_GROUP)
	if err != unix.EINVAL {
		return err
	}
	// Before Linux 6.9: nothing is reaped while mu is held, so the number is the command's if the pidfd has a process.
	if err := unix.PidfdSendSignal(p.pidfd, 0, nil, 0); err != nil {
		return err
	}
	return unix.Kill(-p.Pid, sig)
}

// Wait waits for the end of the main process and returns how it ended. It may be called many times. Descendants may
// live on: KillTree ends them, LetGo keeps them. The error is nil today; a status that somebody else's wait4 took would
// be one.
func (p *Process) Wait() (Status, error) {
	<-p.done
	return p.status, nil
}

// Done is closed when the main process has ended, for a select; Wait does not block then.
func (p *Process) Done() <-chan struct{} { return p.done }

// Signal sends sig to the main process and, where the Command had Setsid, to its process group. SIGKILL is KillTree.
// Once the main process was reaped the error is os.ErrProcessDone.
func (p *Process) Signal(sig syscall.Signal) error {
	if sig == syscall.SIGKILL {
		return p.KillTree()
	}
	children.mu.Lock()
	defer children.mu.Unlock()
	if children.mains[p.Pid] != p {
		return os.ErrProcessDone
	}
	if err := p.signal(sig); err == unix.ESRCH { // somebody else took its status
		return os.ErrProcessDone
	} else if err != nil {
		return fmt.Errorf("signal %v to process %d: %w", sig, p.Pid, err)
	}
	return nil
}

// KillTree ends the command with all its descendants, those included that called setsid and whose parents are gone, and
// nothing else. It returns when none of them runs any more. Calling it again, or after the main process has ended, is
// right and ends what is left.
//
// Without cgroups and without CAP_SYS_NICE (Group.Method) what had escaped from its parents before is not known to be
// this command's; Close ends it.
func (p *Process) KillTree() error {
	p.killing.Lock()
	defer p.killing.Unlock()
	if p.letGo {
		return nil
	}
	deadline := time.Now().Add(endTime)
	// What is given back has ended, and may be another command's by now. The removal of a folder does not wake who polls its
	// events, so the reaper keeps away from one that is not.
	children.mu.Lock()
	holds := p.folder != "" && !p.given
	if holds {
		p.ending = true
		delete(p.group.folders, p.folder)
	}
	children.mu.Unlock()
	if holds {
		if err := endCgroup(p.folder, deadline); err != nil {
			return fmt.Errorf("end the tree of process %d: %w", p.Pid, err)
		}
	}
	if p.folder == "" || p.tag != 0 { // with cgroups: what runs as root and left its own
		children.stopSessions(func(q *Process) bool { return q == p })
		if err := p.walk().end(deadline); err != nil {
			return fmt.Errorf("end the tree of process %d: %w", p.Pid, err)
		}
	}
	children.reapSome()
	if !holds {
		return nil
	}
	children.mu.Lock()
	defer children.mu.Unlock()
	err := removeCgroup(p.folder)
	p.given = err == nil
	return err
}
