package service

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/daemon"
	"github.com/privhelper/privhelper/privsep/internal/wire"
)

// A connection is one that was accepted, and counts until its worker has ended.
type connection struct {
	file        *os.File
	peer        peer
	commandLine []byte // for the worker, which may not look itself; nobody reads it here
}

// greet judges who has connected and gives the connection to a worker, or says why not.
func (m *master) greet(file *os.File) {
	c := &connection{file: file}
	m.mu.Lock()
	setup := m.setup
	m.mu.Unlock()
	err := c.ask(&setup, m.ours)
	code := privsep.CodeDenied
	if err == nil {
		m.mu.Lock()
		switch {
		case m.stopped:
			err = errStopping
		default:
			if err = m.users.connect(c.peer.UID, m.setup.Limits, time.Now()); err != nil && m.dropGone() {
				err = m.users.connect(c.peer.UID, m.setup.Limits, time.Now())
			}
		}
		if err == nil {
			m.waiting = append(m.waiting, c)
			m.match()
			m.fill()
		}
		m.mu.Unlock()
		code = privsep.CodeBusy
	}
	if err != nil {
		refuse(file, code, err)
	}
}

// ask asks the kernel who has connected, and the setup whether he may.
func (c *connection) ask(s *Setup, ours namespaces) error {
	raw, err := c.file.SyscallConn()
	if err != nil {
		return err
	}
	cerr := raw.Control(func(fd uintptr) {
		if c.peer, err = askPeer(int(fd)); err == nil {
			err = s.judge(c.peer, func() (namespaces, error) { return peerNamespaces(int(fd), c.peer) }, ours)
		}
		if err == nil {
			c.commandLine = daemon.CommandLine(int(fd), c.peer.PID)
		}
	})
	return errors.Join(cerr, err)
}

// refuse tells a client in one message why it is not served. The socket is new and takes that much without waiting.
func refuse(file *os.File, code privsep.Code, why error) {
	conn, err := wire.NewConn(file, wire.FromHelper)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond) // it does not wait; it must not
	defer cancel()
	_, _ = conn.Send(ctx, wire.Error{Code: code, Message: why.Error()}, nil)
	conn.Close()
}

// dropGone forgets connections whose clients have gone before a worker was free, so that one who connects and leaves keeps no
// worker busy and nobody out. It reports whether there were any. The lock is held.
func (m *master) dropGone() bool {
	before := len(m.waiting)
	m.waiting = slices.DeleteFunc(m.waiting, func(c *connection) bool {
		if !c.gone() {
			return false
		}
		m.users.disconnect(c.peer.UID)
		c.file.Close()
		return true
	})
	return len(m.waiting) < before
}

// gone reports whether the other side has closed the connection.
func (c *connection) gone() bool {
	closed := false
	raw, err := c.file.SyscallConn()
	if err != nil {
		return true
	}
	_ = raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd)}} // POLLHUP always counts
		n, err := unix.Poll(p, 0)
		closed = err == nil && n > 0 && p[0].Revents&unix.POLLHUP != 0
	})
	return closed
}
