package spawn

import (
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// executable returns the path by which the child executes c, and what holds it open.
//
// An open file is executed by its number, which the child has too until exec closes it. That number must be one that the
// child does not use: syscall.ForkExec puts the command's descriptors at 0 and up, and moves them through the numbers
// above the highest of them.
func (c *Command) executable(files []uintptr) (path string, held *os.File, err error) {
	if c.Program == nil {
		return c.Path, nil, nil
	}
	above := int(slices.Max(files)) + 2*len(files) + 8
	fd, err := unix.FcntlInt(c.Program.Fd(), unix.F_DUPFD_CLOEXEC, above)
	if err != nil {
		return "", nil, os.NewSyscallError("fcntl", err)
	}
	return "/proc/self/fd/" + strconv.Itoa(fd), os.NewFile(uintptr(fd), c.Path), nil
}
