package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/internal/wire"
)

// A server serves one connection.
type server struct {
	daemon   *Daemon
	handlers map[string]*privsep.Handler
	conn     *wire.Conn
	logs     *logQueue
	ctx      context.Context
	group    sync.WaitGroup // handlers that have not returned
	large    int            // bytes of large requests since the last collection
	start    time.Time
	audit    auditor
	tally    tally

	mu      sync.Mutex
	calls   map[uint64]*call   // unanswered, by the client's id
	running map[*call]struct{} // whose handlers have not returned
	held    load               // by calls, until each is answered and its handler has returned
	taken   int                // slots
	stuck   int                // slots whose call was answered without its handler
	waiting callList           // for a slot
	due     deadlines          // of those that wait
	late    callList           // answered by nobody yet, and not by their handler any more
	sending bool               // a goroutine sends the answers of late
	fatal   error

	reading reading

	gate     func() error // whether the service lets this client make one more call; nil: it does
	draining bool         // no more calls: the connection ends with the last
}

// errStuck ends a helper that has no slot left which could ever be free again.
var errStuck = errors.New("every slot is taken by a handler that outlived its call")

func (d *Daemon) newServer(conn *wire.Conn, peer Peer) *server {
	s := &server{daemon: d, handlers: map[string]*privsep.Handler{}, conn: conn, calls: map[uint64]*call{},
		running: map[*call]struct{}{}, start: time.Now()}
	s.reading.init(s)
	for name, h := range d.handlers {
		s.handlers[name] = &h
	}
	s.audit.to, s.audit.peer = d.audit, peer
	if d.opt.Context != nil {
		s.audit.context = d.opt.Context.Name()
	}
	if d.opt.Commands != nil {
		s.audit.commands = d.opt.Commands.Handler().Name
	}
	return s
}

// serve sends HELLO and answers calls until the client goes (nil), or breaks the protocol. All handlers' contexts have
// ended when it returns, and every handler that heeds its context has returned.
func (s *server) serve(ctx context.Context, hello wire.Hello) error {
	ctx, cancel := context.WithCancelCause(ctx)
	s.ctx, s.audit.policy = ctx, hello.Policy
	d, conn := s.daemon, s.conn
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
	go s.receive()
	err := <-s.reading.over
	cancel(errors.New("the client is gone"))
	conn.Shutdown() // a handler that still sends must not wait for a client that reads no more
	s.wait()
	var broken *wire.ProtocolError
	errors.As(err, &broken)
	s.audit.over(broken)
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

// cancel ends a call that has not been answered. That there is none is no error: its answer may be under way.
func (s *server) cancel(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch c := s.calls[id]; {
	case c == nil:
	case c.list == &s.waiting:
		s.giveUp(c, privsep.CodeCancelled)
	default:
		c.cancel()
	}
}

func (s *server) signal(m wire.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.calls[m.ID]
	if c == nil || c.list == &s.waiting || m.Signal == 0 {
		return
	}
	select {
	case c.signalled() <- m.Signal:
	default: // these are more than the handler takes: signals merge, as the kernel's do
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
