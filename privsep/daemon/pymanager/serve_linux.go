package pymanager

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/privsep/command"
)

// errClientGone is why commands are ended before their time.
var errClientGone = errors.New("the client is gone")

// A server serves the connections of one client. The first block is the maker's to fill in before ready.
type server struct {
	limits   filters.DaemonMax
	key      []byte
	uid      uint32        // who may connect
	idle     time.Duration // without a request for so long it ends
	listener *os.File      // a listening socket that does not block
	run      func(context.Context, command.Request) (command.Result, error)

	memory budget
	slots  chan struct{}
	ctx    context.Context // ends when the client is gone
	cancel context.CancelCauseFunc
	group  sync.WaitGroup // of connections

	mu       sync.Mutex
	stopping bool
	conns    map[*conn]struct{} // all
	known    int                // of them, that have proved that they know the key
	halfOpen []*conn            // that have not, in the order in which they came; who was dropped is gone from here
	left     sync.Cond          // a connection has ended
	requests int                // being answered
	timer    *time.Timer        // ends a daemon without requests
}

// ready fills in the rest. From here on the server can be stopped.
func (s *server) ready() {
	s.memory.give(s.limits.Memory)
	s.slots = make(chan struct{}, s.limits.Commands)
	s.conns = map[*conn]struct{}{}
	s.left.L = &s.mu
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer = time.AfterFunc(s.idle, s.expire)
}

// serve accepts until stop is called, and returns when every request that had begun is answered.
func (s *server) serve() error {
	defer s.group.Wait()
	for {
		fd, err := s.accept()
		switch {
		case err == nil:
			s.admit(fd)
		case s.ending():
			return nil
		case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE), errors.Is(err, unix.ENOMEM), errors.Is(err, unix.ENOBUFS):
			// Who waits in the queue goes on waiting. Nothing tells when another process gives back what is missing.
			if !s.dropOldest() {
				time.Sleep(10 * time.Millisecond)
			}
		default:
			s.stop()
			return os.NewSyscallError("accept", err)
		}
	}
}

func (s *server) accept() (fd int, err error) {
	raw, err := s.listener.SyscallConn()
	if err != nil {
		return -1, err
	}
	closed := raw.Read(func(listener uintptr) bool {
		for {
			// syscall's: the one of x/sys links a reader of every family of addresses, 25 KB in all.
			fd, _, err = syscall.Accept4(int(listener), unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
			if err != unix.EINTR && err != unix.ECONNABORTED {
				return err != unix.EAGAIN
			}
		}
	})
	if closed != nil {
		return -1, closed
	}
	return fd, err
}

// admit begins a connection, if its peer is the user that may connect. The folder keeps others out, but for root, which
// has ways of its own.
func (s *server) admit(fd int) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	c := &conn{server: s, file: os.NewFile(uintptr(fd), "client")}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || cred.Uid != s.uid {
		c.file.Close()
		return
	}
	if int64(len(s.halfOpen)) >= s.limits.HalfOpen {
		s.dropOldestLocked()
	}
	for int64(len(s.conns)-s.known) >= 2*s.limits.HalfOpen { // those that were dropped and still have their descriptor
		s.left.Wait()
	}
	if s.stopping || c.file.SetDeadline(time.Now().Add(authTime)) != nil {
		c.file.Close()
		return
	}
	s.halfOpen = append(s.halfOpen, c)
	s.conns[c] = struct{}{}
	s.group.Add(1)
	go c.serve()
}

// dropOldest ends a connection that has not proved that it knows the key, if there is one.
func (s *server) dropOldest() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropOldestLocked()
}

func (s *server) dropOldestLocked() bool {
	if len(s.halfOpen) == 0 {
		return false
	}
	s.halfOpen[0].file.Close() // which ends its goroutine
	s.halfOpen = slices.Delete(s.halfOpen, 0, 1)
	return true
}

// enter says that c knows the key. It is false where there is no place for it any more.
func (s *server) enter(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.halfOpen, c)
	if i < 0 || s.stopping || int64(s.known) >= s.limits.Connections {
		return false
	}
	s.halfOpen = slices.Delete(s.halfOpen, i, i+1)
	s.known++
	c.known = true
	return true
}

// leave is the end of a connection.
func (s *server) leave(c *conn) {
	c.file.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.halfOpen, c); i >= 0 {
		s.halfOpen = slices.Delete(s.halfOpen, i, i+1)
	}
	if c.known {
		s.known--
	}
	delete(s.conns, c)
	s.left.Signal()
	s.group.Done()
}

// begin says that c has read a request. It is false once the daemon ends: nothing begins then, and the client, whose
// connection ends without an answer, starts another daemon and asks that.
func (s *server) begin(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	if s.requests++; s.requests == 1 {
		s.timer.Stop()
	}
	return c.file.SetDeadline(time.Time{}) == nil
}

// ended says that a request was answered.
func (s *server) ended() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.requests--; s.requests == 0 && !s.stopping {
		s.timer.Reset(s.idle)
	}
}

// answering gives the last answers a time.
func (s *server) answering(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		_ = c.file.SetWriteDeadline(time.Now().Add(lastWords))
	}
}

// expire is what the timer calls: an idle daemon ends.
func (s *server) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.requests == 0 {
		s.stopLocked()
	}
}

// stop ends the daemon in order: nothing new begins, what has begun is answered. It may be called many times.
func (s *server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopLocked()
}

func (s *server) ending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

func (s *server) stopLocked() {
	if s.stopping {
		return
	}
	s.stopping = true
	s.timer.Stop()
	s.listener.Close()
	for c := range s.conns {
		_ = c.file.SetReadDeadline(time.Unix(1, 0))
		_ = c.file.SetWriteDeadline(time.Now().Add(lastWords))
	}
}

// abandon ends the daemon because its client is gone: its commands go too.
func (s *server) abandon() {
	s.cancel(errClientGone)
	s.stop()
}
