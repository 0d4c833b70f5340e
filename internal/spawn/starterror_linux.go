package spawn

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// StartError says why a command was not started. Err is the errno; errors.Is(err, fs.ErrNotExist) and its like work.
type StartError struct {
	// Op is what failed, in words for the person who must act: "the #! interpreter /x does not exist".
	Op string
	// Path is the program.
	Path string
	// Err is the cause, an errno wherever the kernel gave one.
	Err error
}

func (e *StartError) Error() string { return fmt.Sprintf("start %s: %s: %v", e.Path, e.Op, e.Err) }

// Unwrap returns the cause.
func (e *StartError) Unwrap() error { return e.Err }

// startError finds words for an errno of fork and exec. The kernel does not say which step failed, so the machine is
// asked afterwards: that can only make the words wrong, never the errno.
func startError(c *Command, dir string, err error) *StartError {
	e := &StartError{Op: "fork and exec", Path: c.Path, Err: err}
	if fi, serr := os.Stat(dir); serr != nil {
		e.Op = "working directory " + dir
		return e
	} else if !fi.IsDir() {
		e.Op = "working directory " + dir + " is not a folder"
		return e
	}
	switch {
	case errors.Is(err, syscall.EAGAIN):
		e.Op = "fork: the limit on processes is reached"
	case errors.Is(err, syscall.E2BIG):
		e.Op = "exec: arguments and environment are too long together"
	case errors.Is(err, syscall.ENOEXEC):
		e.Op = "exec: neither a binary for this machine nor a script with a #! line"
	case errors.Is(err, syscall.EPERM):
		e.Op = "take the command's ids or capabilities"
	case errors.Is(err, syscall.ENOENT):
		e.Op = missing(c.Path)
	case errors.Is(err, syscall.EACCES):
		e.Op = denied(c.Path)
	}
	return e
}

// missing tells a program that is not there from one whose interpreter is not.
func missing(path string) string {
	if _, err := os.Stat(path); err != nil {
		return "the program does not exist"
	}
	if in := interpreter(path); in != "" {
		return "the program exists, its #! interpreter " + in + " does not"
	}
	return "the program exists, its dynamic loader does not"
}

func denied(path string) string {
	if in := interpreter(path); in != "" {
		if fi, err := os.Stat(in); err == nil && fi.Mode()&0o111 == 0 {
			return "its #! interpreter " + in + " is not executable"
		}
	}
	return "the program is not executable for this user"
}
