package service

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/privsep/daemon"
)

// isWorker reports whether standard input is a socket of messages, as the master's is to each worker. It says nothing of who
// made it: a worker whose master has just died must not take itself for a master.
func isWorker() bool {
	kind, err := unix.GetsockoptInt(0, unix.SOL_SOCKET, unix.SO_TYPE)
	return err == nil && kind == unix.SOCK_SEQPACKET
}

// checkMaster wants the socket to be made by our parent, who is the same user: nobody who can only start this program
// through sudo can make such a one.
func checkMaster() error {
	cred, err := unix.GetsockoptUcred(0, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	if int(cred.Pid) != os.Getppid() || cred.Uid != uint32(os.Geteuid()) {
		return errors.New("worker: standard input is not the socket of a master that is our parent")
	}
	return nil
}

// work is a worker's life: it becomes ready, waits for its client, serves it and ends.
func work(o Options) error {
	if err := checkMaster(); err != nil {
		return err
	}
	c, err := takeControl()
	if err != nil {
		return err
	}
	first, err := c.receive(true)
	if err != nil || first.kind != setUp {
		return fmt.Errorf("worker: its master said nothing of what to do: %w", err)
	}
	// A name for ps(1): what was executed is a descriptor. And what protects the master from being killed when memory is
	// short is not for workers and their commands, which a client may make large.
	_ = os.WriteFile("/proc/self/comm", []byte("privhelper-work"), 0)
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("0"), 0)
	d, err := o.Worker(first.file)
	if err != nil {
		return err
	}
	helper, err := d.Ready(string(first.text))
	if err != nil {
		return err
	}
	if first.file != nil {
		first.file.Close()
	}
	served, err := wait(helper, c)
	if !served {
		helper.Close()
	}
	return err
}

// wait says that the worker is ready, and serves the client that the master hands over. It reports whether one came.
func wait(helper *daemon.Ready, c *control) (served bool, err error) {
	if err := c.send(message{kind: ready, text: []byte(helper.Proven())}); err != nil {
		return false, fmt.Errorf("worker: %w", err)
	}
	m, err := c.receive(true)
	for err == nil && m.kind == reopen {
		helper.Reopen()
		m, err = c.receive(true)
	}
	if err == io.EOF {
		return false, nil // nobody came
	}
	if err != nil || m.kind != handOver || m.file == nil {
		return false, fmt.Errorf("worker: no client was handed over: %w", err)
	}
	var p peer
	var perr error
	raw, err := m.file.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { p, perr = askPeer(int(fd)) })
	}
	if err := errors.Join(err, perr); err != nil {
		return false, err
	}
	a := &allowance{control: c, helper: helper, left: m.n, uid: p.UID, granted: make(chan uint32), end: make(chan struct{}), drain: make(chan struct{})}
	go a.listen()
	return true, helper.Serve(m.file, p.Peer, daemon.Service{Groups: p.groups, CommandLine: m.text, Gate: a.gate, Drain: a.drain, End: a.end})
}

// takeControl makes of standard input the socket to the master, and leaves /dev/null in its place.
func takeControl() (*control, error) {
	fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: os.DevNull, Err: err}
	}
	defer unix.Close(null)
	if err := unix.Dup3(null, 0, 0); err != nil {
		return nil, os.NewSyscallError("dup3", err)
	}
	return newControl(fd)
}
