package service

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A worker is what the master knows of one.
type worker struct {
	control *control
	process *os.Process
	logs    int         // the master's count when it was started
	client  *connection // nil: it waits for one; guarded by the master's lock
}

// startWorker starts this very program once more, whatever stands at its path now: an upgrade does not mix two versions in
// one service.
func startWorker(snapshot *os.File) (*worker, error) {
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
	// In a session of its own: what a terminal sends to the master, the master says to its workers in its own way.
	process, err := os.StartProcess("/proc/self/exe", os.Args, &os.ProcAttr{Dir: "/", Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"},
		Files: []*os.File{theirs, os.Stdout, os.Stderr}, Sys: &syscall.SysProcAttr{Setsid: true}})
	if err != nil {
		c.close()
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	w := &worker{control: c, process: process}
	if err := c.send(message{kind: setUp, file: snapshot}); err != nil {
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
