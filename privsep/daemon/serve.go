package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/internal/wire"
)

// maxPending bounds the bytes of all requests of a connection that are not answered yet.
const maxPending = 8 << 20

// A server serves one connection.
type server struct {
	daemon *Daemon
	conn   *wire.Conn
	logs   *logQueue
	ctx    context.Context
	group  sync.WaitGroup // handlers that have not returned

	mu      sync.Mutex
	calls   map[uint64]*call // unanswered
	waiting []*call          // unanswered, without a slot, in the order they came
	taken   int              // slots
	stuck   int              // slots whose call was answered without its handler
	pending int              // bytes
	fatal   error
}

// errStuck ends a helper that has no slot left which could ever be free again.
var errStuck = errors.New("every slot is taken by a handler that outlived its call")

// serve sends HELLO and answers calls until the client goes (nil), or breaks the protocol. All handlers' contexts have
// ended when it returns, and every handler that heeds its context has returned.
func (d *Daemon) serve(ctx context.Context, conn *wire.Conn, hello wire.Hello) error {
	ctx, cancel := context.WithCancelCause(ctx)
	s := &server{daemon: d, conn: conn, ctx: ctx, calls: map[uint64]*call{}}
	s.logs = newLogQueue(func(m wire.Log) { s.send(m, nil) })
	defer s.logs.close()
	if hello.Entrypoints == nil {
		hello.Entrypoints = d.declarations()
	}
	hello.Version, hello.MaxFrame = wire.Version, wire.MaxFromClient
	hello.Slots, hello.Queue = uint64(d.opt.Slots), uint64(d.opt.Queue)
	if d.opt.Context != nil {
		hello.Context = d.opt.Context.Name()
	}
	if _, err := conn.Send(ctx, hello, nil); err != nil {
		cancel(err)
		return fmt.Errorf("hello: %w", err)
	}
	err := s.receive()
	cancel(errors.New("the client is gone"))
	conn.Shutdown() // a handler that still sends must not wait for a client that reads no more
	s.wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fatal != nil {
		return s.fatal
	}
	return err
}

// wait gives handlers that heed their context the time to return.
func (s *server) wait() {
	done := make(chan struct{})
	go func() { s.group.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(s.daemon.opt.Grace):
	}
}

func (s *server) receive() error {
	for {
		m, files, err := s.conn.Receive()
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, os.ErrClosed) {
				return nil
			}
			return err
		}
		switch m := m.(type) {
		case wire.Call:
			err = s.admit(m, files)
		case wire.Cancel:
			if c := s.call(m.ID); c != nil {
				c.cancel(context.Canceled)
			}
		case wire.Signal:
			s.signal(m)
		case wire.Ping:
			s.send(wire.Pong(m), nil)
		}
		if err != nil {
			return err
		}
	}
}

// call finds an unanswered call. That there is none is no error: its answer may be under way.
func (s *server) call(id uint64) *call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[id]
}

func (s *server) signal(m wire.Signal) {
	c := s.call(m.ID)
	if c == nil || m.Signal == 0 {
		return
	}
	select {
	case c.signals <- m.Signal:
	default: // more than the handler takes: signals merge, as the kernel's do
	}
}

// admit gives a call a slot, a place in the queue, or its error. Only nonsense is an error of the connection.
func (s *server) admit(m wire.Call, files []*os.File) error {
	ctx := s.ctx
	stopTimer := func() {}
	if m.Timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, m.Timeout)
		stopTimer = stop
	}
	ctx, cancel := context.WithCancelCause(ctx)
	c := &call{server: s, id: m.ID, args: m.Args, files: files, signals: make(chan syscall.Signal, 32),
		cancel: func(cause error) { cancel(cause); stopTimer() }}
	c.ctx = context.WithValue(ctx, callKey{}, c)
	c.settled = context.AfterFunc(c.ctx, func() { s.overdue(c) })
	handler, found := s.daemon.handlers[m.Entrypoint]
	c.handler = handler
	if !found {
		c.handler.Name = m.Entrypoint
	}

	s.mu.Lock()
	if s.calls[m.ID] != nil {
		s.mu.Unlock()
		c.settled()
		c.cancel(nil)
		c.closeFiles()
		return &wire.ProtocolError{From: wire.FromClient, Cause: fmt.Sprintf("call id %d is used twice", m.ID)}
	}
	s.calls[m.ID] = c
	s.pending += len(m.Args)
	run, refuse := false, error(nil)
	switch {
	case !found:
		refuse = noEntrypoint(m.Entrypoint)
	case s.pending > maxPending:
		refuse = busy(m.Entrypoint, fmt.Sprintf("%d bytes of requests wait for their answers already", s.pending-len(m.Args)))
	case s.taken < s.daemon.opt.Slots:
		s.taken++
		run = true
	case len(s.waiting) < s.daemon.opt.Queue:
		s.waiting = append(s.waiting, c)
	default:
		refuse = busy(m.Entrypoint, fmt.Sprintf("%d calls run and %d wait already", s.taken, len(s.waiting)))
	}
	s.mu.Unlock()

	if refuse != nil {
		c.settled()
		c.cancel(nil)
		c.closeFiles()
		c.fail(refuse)
		return nil
	}
	if run {
		s.start(c)
	}
	return nil
}

func busy(entrypoint, text string) error {
	return &privsep.CallError{Entrypoint: entrypoint, Code: privsep.CodeBusy, Outcome: privsep.Answered, Message: text}
}

func (s *server) start(c *call) {
	s.group.Add(1)
	go s.run(c)
}

// run is the life of a handler. Whatever it does, return, panic or end its goroutine, its call is answered and its slot
// is given on.
func (s *server) run(c *call) {
	defer s.group.Done()
	defer s.release(c)
	defer c.cancel(nil)
	defer c.settled()
	defer c.closeFiles()
	returned := false
	defer func() {
		if returned {
			return
		}
		text := "the handler ended its goroutine (runtime.Goexit)"
		if v := recover(); v != nil {
			text = fmt.Sprintf("the handler panicked: %v", v)
			Log(c.ctx).Error("handler panicked", "entrypoint", c.handler.Name, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		}
		c.fail(&privsep.CallError{Entrypoint: c.handler.Name, Code: privsep.CodePanicked, Outcome: privsep.Answered, Message: text})
	}()
	if c.ctx.Err() != nil { // it ended while the call waited: nobody wants the work any more
		returned = true
		c.fail(contextError(c))
		return
	}
	reply, out, err := c.handler.Run(c.ctx, c.args, slices.Clone(c.files))
	returned = true
	defer closeAll(out)
	late := false
	if err != nil {
		late = !c.fail(err)
	} else {
		late = !c.answer(wire.Return{ID: c.id, Reply: reply}, out)
	}
	if late {
		Log(s.ctx).Warn("handler returned after its call was answered", "entrypoint", c.handler.Name, "error", fmt.Sprint(err))
	}
}

// overdue answers for a handler that does not return after its context has ended. The goroutine cannot be ended: its
// slot stays taken, and when all are, the helper ends and a fresh one takes its place.
func (s *server) overdue(c *call) {
	if s.dequeue(c) {
		return
	}
	time.AfterFunc(s.daemon.opt.Grace, func() {
		// A context may end before its call is queued.
		if s.dequeue(c) || !c.fail(contextError(c)) {
			return
		}
		s.mu.Lock()
		if c.stuck = !c.released; c.stuck {
			s.stuck++
		}
		dead := s.stuck >= s.daemon.opt.Slots
		if dead {
			s.fatal = errStuck
		}
		s.mu.Unlock()
		if dead {
			s.conn.Shutdown()
		}
	})
}

func contextError(c *call) error {
	code, text := privsep.CodeCancelled, "cancelled"
	if errors.Is(context.Cause(c.ctx), context.DeadlineExceeded) {
		code, text = privsep.CodeDeadline, "the deadline has passed"
	}
	return &privsep.CallError{Entrypoint: c.handler.Name, Code: code, Outcome: privsep.Answered, Message: text}
}

// dequeue answers a call that waits and whose context has ended. It reports whether the call was waiting.
func (s *server) dequeue(c *call) bool {
	if !s.unqueue(c) {
		return false
	}
	c.closeFiles()
	c.fail(contextError(c))
	c.cancel(nil)
	return true
}

// unqueue takes a call out of the queue and reports whether it was there.
func (s *server) unqueue(c *call) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, w := range s.waiting {
		if w == c {
			s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// answered forgets a call: its id may be used again.
func (s *server) answered(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.calls, c.id)
	s.pending -= len(c.args)
}

// release gives a handler's slot to the next that waits.
func (s *server) release(c *call) {
	s.mu.Lock()
	c.released = true
	if c.stuck { // late, and not never: the slot is free again
		c.stuck = false
		s.stuck--
	}
	var next *call
	if len(s.waiting) > 0 && s.ctx.Err() == nil {
		next, s.waiting = s.waiting[0], s.waiting[1:]
	} else {
		s.taken--
	}
	s.mu.Unlock()
	if next != nil {
		s.start(next)
	}
}

// send writes a message. A connection that is broken is found by the reader. An answer that cannot travel (too large, an
// open file that the handler has closed, a code of its own making) is answered with the reason: every call gets one.
func (s *server) send(m wire.Message, files []*os.File) {
	begun, err := s.conn.Send(context.Background(), m, files)
	if err != nil && !begun {
		e := wire.Error{Code: privsep.CodeFailed, Message: "the answer cannot travel: " + err.Error()}
		var large *wire.TooLargeError
		if errors.As(err, &large) {
			e.Code = privsep.CodeTooLarge
		}
		switch m := m.(type) {
		case wire.Return:
			e.ID = m.ID
			_, err = s.conn.Send(context.Background(), e, nil)
		case wire.Error:
			e.ID = m.ID
			_, err = s.conn.Send(context.Background(), e, nil)
		}
	}
	if err != nil && s.ctx.Err() == nil {
		slog.Debug("privsep: send failed", "type", m.Type().String(), "error", err)
	}
}
