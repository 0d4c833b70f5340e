package processutils

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// process is a child that nobody else waits for: until wait has returned, its number is nobody else's. It is less than an
// os.Process, which costs a second pidfd, and an os.File for each of the child's streams.
type process struct {
	pid   int
	pidfd *descriptor
}

// startProcess is os.StartProcess on bare descriptors. It changes attr.Sys.
func startProcess(path string, argv []string, attr *syscall.ProcAttr) (*process, error) {
	fd := -1
	attr.Sys.PidFD = &fd
	pid, err := syscall.ForkExec(path, argv, attr)
	if err != nil {
		return nil, &os.PathError{Op: "fork/exec", Path: path, Err: err}
	}
	p := &process{pid, &descriptor{fd: fd}}
	if fd < 0 {
		p.discard()
		return nil, fmt.Errorf("this kernel has no pidfd, which came with Linux 5.4: %w", errors.ErrUnsupported)
	}
	return p, nil
}

// signal is os.Process.Signal.
func (p *process) signal(sig os.Signal) error {
	s, ok := sig.(syscall.Signal)
	if !ok {
		return fmt.Errorf("signal %v: %w", sig, errors.ErrUnsupported)
	}
	p.pidfd.mu.Lock()
	defer p.pidfd.mu.Unlock()
	if p.pidfd.fd < 0 {
		return os.ErrProcessDone
	}
	return os.NewSyscallError("pidfd_send_signal", unix.PidfdSendSignal(p.pidfd.fd, s, nil, 0))
}

// wait reaps it.
func (p *process) wait() (*os.ProcessState, error) {
	p.pidfd.close()
	whole, err := os.FindProcess(p.pid)
	if err != nil {
		return nil, err
	}
	return whole.Wait()
}

// discard ends what was not to be started after all.
func (p *process) discard() {
	_ = unix.Kill(p.pid, unix.SIGKILL) // it is ours, and not reaped
	_, _ = p.wait()
}
