package spawn

import (
	"errors"
	"fmt"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Limit is one of setrlimit(2): a resource by its number (unix.RLIMIT_NOFILE) and its two limits, of which ^uint64(0) is
// none.
type Limit struct {
	Resource   int
	Soft, Hard uint64
}

// setLimits gives a child that was started with Ptrace its limits, and lets it run. The calling thread has forked it.
//
// Limits belong to a process, not to a thread, so that no Forker's thread can hold them ready, and Go's fork sets none
// between fork and exec. Here the child traces itself, the kernel stops it when exec has succeeded, before its first
// instruction, and prlimit(2) sets them from outside: some 50 µs. The road not taken is to execute this program again,
// which limits itself and executes the command: 1 ms, and every program that links this package would have to know it in
// its main. What it costs is that the kernel asks CAP_SYS_RESOURCE of us for a child of other ids, and that a command
// which is itself a setuid program gains nothing.
//
// After an error the child must be abandoned.
func setLimits(pid int, limits []Limit) error {
	err := awaitStop(pid)
	for _, l := range limits {
		if err != nil {
			break
		}
		if err = unix.Prlimit(pid, l.Resource, &unix.Rlimit{Cur: l.Soft, Max: l.Hard}, nil); err != nil {
			err = fmt.Errorf("set limit %d: %w", l.Resource, err)
		}
	}
	if err == nil {
		err = unix.PtraceDetach(pid)
	}
	if errors.Is(err, errEnded) {
		return nil
	}
	return err
}

var errEnded = errors.New("it has ended")

// awaitStop waits for the stop after exec and leaves the status of a child that was killed before it to the reaper.
func awaitStop(pid int) error {
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WSTOPPED|unix.WNOWAIT|unix.WALL, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return err
		case info.Code == cldTrapped:
			return nil
		}
		return errEnded
	}
}

// cldTrapped is CLD_TRAPPED of sigaction(2), which x/sys does not have.
const cldTrapped = 4

// limits reports whether one of them is of that resource.
func (c *Command) limits(resource int) bool {
	return slices.ContainsFunc(c.Limits, func(l Limit) bool { return l.Resource == resource })
}

// abandon ends a child that the reaper does not know, so that there is no rival for its status.
func abandon(pid, pidfd int) {
	_ = unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0)
	_, _ = syscall.Wait4(pid, nil, 0, nil)
	unix.Close(pidfd)
}
