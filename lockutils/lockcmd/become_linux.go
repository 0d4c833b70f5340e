package lockcmd

import (
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/lockutils"
)

// become replaces this process by the command, which has the lock on a descriptor that it does not close by executing.
// A process that waited for the command instead could be killed, and would have to pass every signal on.
func become(held *lockutils.Held, path string, command []string) error {
	lock, err := held.File()
	if err != nil {
		return err
	}
	defer runtime.KeepAlive(lock)
	if _, err := unix.FcntlInt(lock.Fd(), unix.F_SETFD, 0); err != nil {
		return fmt.Errorf("keep the lock: %w", err)
	}
	return &os.PathError{Op: "exec", Path: path, Err: syscall.Exec(path, command, os.Environ())}
}
