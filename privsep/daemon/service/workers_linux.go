package service

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A worker is what the master knows of one.
type worker struct {
	control *control
	process *os.Process
	logs    int         // the master's count when it was started
	proven  string      // daemon.Ready.Proven, once it is ready
	client  *connection // nil: it waits for one; guarded by the master's lock
}

// startWorker starts a worker, which is not ready yet.
func startWorker(of *generation) (*worker, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "control")
	defer theirs.Close()
	c, err := newControl(fds[0])
	if err != nil {
		return nil, err
	}
	process, err := of.nursery.start(&os.ProcAttr{Files: []*os.File{theirs, os.Stdout, os.Stderr}})
	if err != nil {
		c.close()
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	w := &worker{control: c, process: process}
	if err := c.send(message{kind: setUp, file: of.snapshot, text: []byte(of.proven)}); err != nil {
		w.end()
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	return w, nil
}

// startTime bounds the start of a worker, which takes milliseconds on a machine that has a processor to spare.
const startTime = 30 * time.Second

// becomeReady waits until the worker has confined itself. Why one could not stands on standard error, which it shares with
// the master.
func (w *worker) becomeReady() error {
	_ = w.control.file.SetReadDeadline(time.Now().Add(startTime))
	m, err := w.control.receive(false)
	if err != nil || m.kind != ready {
		return fmt.Errorf("a worker ended before it was ready; it says why above (%w)", err)
	}
	w.proven = string(m.text)
	return w.control.file.SetReadDeadline(time.Time{})
}

// killTime is what a worker has for ending its commands before it is killed: more than those are given (spawn.Group.Close).
const killTime = 10 * time.Second

// end closes the worker's control socket, at which it ends with its commands, and waits for it.
func (w *worker) end() {
	w.control.close()
	late := time.AfterFunc(killTime, func() { _ = w.process.Kill() })
	defer late.Stop()
	_, _ = w.process.Wait()
}
