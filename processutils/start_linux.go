package processutils

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/spawn"
)

// start starts the command, or says at which stage that failed.
func (r *running) start() (Stage, error) {
	c := &r.a.cmd
	env := c.environment()
	path, err := c.program(env)
	if err != nil {
		return StageExec, err
	}
	if err := r.streams.open(r.a); err != nil {
		return StageStart, err
	}
	sys := &syscall.SysProcAttr{}
	if !c.KeepTerminal {
		sys.Setsid = startTerminal()
		sys.Setpgid = !sys.Setsid
	}
	if c.Stop.Scope == ScopeCgroup {
		group, err := newCgroup()
		if err != nil {
			return StageStart, err
		}
		defer group.opened()
		r.reach = group
		sys.UseCgroupFD, sys.CgroupFD = true, int(group.folder.Fd())
	}
	if env == nil {
		env = os.Environ()
	}
	attr := &syscall.ProcAttr{Dir: c.Dir, Env: env, Files: r.streams.child[:], Sys: sys}
	if stage, err := r.fork(path, attr); err != nil {
		return stage, err
	}
	r.streams.forked()
	if r.reach == nil {
		r.reach = r.newReach(sys.Setsid)
	}
	return "", nil
}

// fork starts the process, by which what it leaves behind can be found.
func (r *running) fork(path string, attr *syscall.ProcAttr) (Stage, error) {
	runtime.LockOSThread() // it is the thread whose signal mask is inherited, and that may trace
	defer runtime.UnlockOSThread()
	restore, err := nothingInherited()
	if err != nil {
		return StageStart, err
	}
	defer restore()
	c := &r.a.cmd
	if c.Stop.Scope != ScopeTree {
		r.process, err = startLimited(c, path, attr)
		return startStage(c, err)
	}
	birth, end := bearing().begin()
	defer end()
	if r.process, err = startLimited(c, path, attr); err == nil {
		r.mark, r.birth = give(r.process.pid), birth // at once: what it forks meanwhile has its birth alone
	}
	return startStage(c, err)
}

// startLimited starts the process, with its limits where the Cmd has some.
func startLimited(c *Cmd, path string, attr *syscall.ProcAttr) (*process, error) {
	if c.Limits.none() {
		return startProcess(path, c.Args, attr)
	}
	if !gainsPrivileges(c.Dir, path) {
		p, err := startTraced(path, c.Args, attr, &c.Limits)
		if !errors.Is(err, errNoTrace) {
			return p, err
		}
	}
	return startByTool(path, c.Args, attr, &c.Limits)
}

// startStage says at which stage the error of startProcess belongs. It does not say itself which of the child's steps
// failed.
func startStage(c *Cmd, err error) (Stage, error) {
	var limit *LimitError
	switch {
	case err == nil:
		return "", nil
	case errors.As(err, &limit) || errors.Is(err, ErrNoLimits):
		return StageLimit, err
	case errors.Is(err, errors.ErrUnsupported), errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ENOMEM), errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return StageStart, err
	}
	if c.Dir != "" {
		info, statErr := os.Stat(c.Dir)
		if statErr == nil && !info.IsDir() {
			statErr = &fs.PathError{Op: "chdir", Path: c.Dir, Err: syscall.ENOTDIR}
		}
		if statErr == nil {
			if access := unix.Access(c.Dir, unix.X_OK); access != nil {
				statErr = &fs.PathError{Op: "chdir", Path: c.Dir, Err: access}
			}
		}
		if statErr != nil {
			return StageStart, fmt.Errorf("the working directory: %w", statErr)
		}
	}
	return StageExec, err
}

// startIgnored gives the signals that this process was started to ignore their default in what it starts, once: they are
// caught and dropped from then on. What the program ignores later shows in signal.Ignored.
var startIgnored = sync.OnceValue(spawn.DefaultSignals)

// nothingInherited sees to it that a fork of this thread hands on no descriptor from 3 up, no ignored signal and no
// blocked one; restore gives the thread its signal mask back.
func nothingInherited() (restore func(), err error) {
	var own unix.Sigset_t
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, nil, &own); err != nil {
		return nil, fmt.Errorf("read the signal mask: %w", err)
	}
	if err := startIgnored(); err != nil {
		return nil, err
	}
	for s := syscall.Signal(1); s < 65; s++ {
		if signal.Ignored(s) {
			if err := spawn.DefaultSignals(); err != nil {
				return nil, err
			}
			break
		}
	}
	restore = func() {}
	if own != (unix.Sigset_t{}) {
		if err := unix.PthreadSigmask(unix.SIG_SETMASK, &unix.Sigset_t{}, nil); err != nil {
			return nil, fmt.Errorf("empty the signal mask: %w", err)
		}
		restore = func() { _ = unix.PthreadSigmask(unix.SIG_SETMASK, &own, nil) } // it was valid when it was read
	}
	if err := spawn.CloseOnExecFrom3(); err != nil {
		restore()
		return nil, err
	}
	return restore, nil
}

// startTerminal reports whether this process has a controlling terminal, which a command of the same session could read; it
// looks once. A session for each command costs 0.1 ms where the kernel makes a scheduling group for it
// (sched_autogroup_enabled), and without a terminal it gives nothing that a process group does not.
var startTerminal = sync.OnceValue(func() bool {
	fd, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err == nil
})
