package spawn

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// DefaultSignals sees to it that what this process executes from now on starts with every signal at its default
// disposition, although the program itself was started with some ignored: an ignored signal stays ignored across exec,
// a caught one becomes default (signal(7)). So the ignored ones are caught, by a channel that nobody reads, and the
// program goes on not to notice them. It also empties the signal mask of the calling thread; a Forker does that for its
// own threads, a caller that goes on to syscall.Exec locks its goroutine to the thread first.
//
// NewGroup calls it. A later signal.Ignore by the program undoes it for that signal.
func DefaultSignals() error {
	if err := emptySignalMask(); err != nil {
		return err
	}
	ignored, err := ignoredSignals()
	if err != nil {
		return err
	}
	if len(ignored) == 0 {
		return nil
	}
	unread := make(chan os.Signal, 1)
	for _, s := range ignored {
		signal.Notify(unread, s)
	}
	// What is left are the three that Go leaves to the C library (32 to 34), which Notify passes over.
	if ignored, err = ignoredSignals(); err != nil {
		return err
	}
	for _, s := range ignored {
		if err := defaultDisposition(s); err != nil {
			return fmt.Errorf("signal %d back to its default: %w", int(s), err)
		}
	}
	return nil
}

// ignoredSignals reads SigIgn, which is exact where signal.Ignored knows only what Go looked at.
func ignoredSignals() ([]syscall.Signal, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil, fmt.Errorf("read which signals are ignored: %w", err)
	}
	_, rest, ok := strings.Cut(string(status), "\nSigIgn:")
	line, _, _ := strings.Cut(rest, "\n")
	mask, err := strconv.ParseUint(strings.TrimSpace(line), 16, 64)
	if !ok || err != nil {
		return nil, fmt.Errorf("read which signals are ignored: no SigIgn in /proc/self/status")
	}
	var out []syscall.Signal
	for i := range 64 {
		if mask&(1<<i) != 0 {
			out = append(out, syscall.Signal(i+1))
		}
	}
	return out, nil
}

// emptySignalMask unblocks everything on the calling thread. Go's fork hands the forking thread's mask to the child.
func emptySignalMask() error {
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &unix.Sigset_t{}, nil); err != nil {
		return fmt.Errorf("empty the signal mask: %w", err)
	}
	return nil
}

// defaultDisposition is rt_sigaction(s, SIG_DFL): all zeros on every architecture, and wide enough for each.
func defaultDisposition(s syscall.Signal) error {
	var act [8]uint64
	_, _, errno := syscall.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(&act)), 0, 8, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
