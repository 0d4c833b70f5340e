package spawn

import (
	"fmt"
	"math"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// CloseOnExecFrom3 marks every descriptor from 3 up close-on-exec, so that nothing which the program inherited reaches a
// command (runc, CVE-2024-21626). A helper calls it first of all: descriptors opened afterwards by Go carry the mark.
//
// They are never closed: the Go runtime holds some of its own before main runs.
func CloseOnExecFrom3() error {
	err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	if err == unix.ENOSYS || err == unix.EINVAL { // before Linux 5.9 and 5.11
		return closeOnExecByList()
	}
	if err != nil {
		return fmt.Errorf("close_range(3, all, CLOEXEC): %w", err)
	}
	return nil
}

// closeOnExecByList does the same over /proc/self/fd. A descriptor that another thread opens meanwhile has the mark.
func closeOnExecByList() error {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("mark inherited descriptors close-on-exec: %w", err)
	}
	for _, e := range list {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd < 3 {
			continue
		}
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil && err != unix.EBADF {
			return fmt.Errorf("mark descriptor %d close-on-exec: %w", fd, err)
		}
	}
	return nil
}
