package processutils

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// process is a child that nobody else waits for: until whole.Wait has returned, its number is nobody else's.
type process struct {
	pid   int
	pidfd *descriptor // to be polled, which that of os.Process cannot
	whole *os.Process
}

// startProcess is os.StartProcess on bare descriptors, without an os.File for each of the child's streams. It changes
// attr.Sys.
func startProcess(path string, argv []string, attr *syscall.ProcAttr) (*process, error) {
	fd := -1
	attr.Sys.PidFD = &fd
	pid, err := syscall.ForkExec(path, argv, attr)
	if err != nil {
		return nil, &os.PathError{Op: "fork/exec", Path: path, Err: err}
	}
	whole, err := os.FindProcess(pid) // on Linux there is no error
	if err != nil {
		return nil, err
	}
	p := &process{pid, &descriptor{fd: fd}, whole}
	if fd < 0 {
		p.discard()
		return nil, fmt.Errorf("this kernel has no pidfd, which came with Linux 5.4: %w", errors.ErrUnsupported)
	}
	return p, nil
}

// discard ends what was not to be started after all.
func (p *process) discard() {
	p.whole.Kill()
	p.whole.Wait()
	p.pidfd.close()
}
