package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/internal/wire"
)

// A session is the connection to one helper, from its HELLO to its death.
type session struct {
	conn    *wire.Conn
	hello   wire.Hello
	process *process
	logs    *logQueue
	began   time.Time
	ended   time.Time // zero: it lives

	answered sync.Pool // of *pending, for the next calls

	lead  chan struct{} // holds one token: the right to receive
	watch *time.Timer   // has somebody receive when nobody has for a while

	mu     sync.Mutex
	calls  map[uint64]*pending
	lastID uint64
	crowd  int   // calls to come for which others are expected to be under way
	dead   error // why it ended; nil: it lives
}

// launch starts a helper and takes its HELLO.
func (c *Client) launch(ctx context.Context) (*session, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.StartTimeout,
		fmt.Errorf("%w, %v", ErrStartTimeout, c.cfg.StartTimeout))
	defer cancel()
	p, socket, err := c.cfg.Launcher.launch(c.logs)
	if err != nil {
		return nil, fmt.Errorf("start root helper: %w", err)
	}
	conn, err := wire.NewConn(socket, wire.FromClient)
	if err != nil {
		socket.Close()
		return nil, fmt.Errorf("start root helper: %w", err)
	}
	s := &session{conn: conn, process: p, logs: c.logs, calls: map[uint64]*pending{}, began: time.Now(),
		lead: make(chan struct{}, 1)}
	stop := context.AfterFunc(ctx, conn.Shutdown)
	m, _, err := conn.Receive()
	if !stop() {
		err = context.Cause(ctx)
	}
	if err == nil {
		err = s.greet(m, c.cfg.Contexts)
	}
	if err != nil {
		conn.Shutdown()
		conn.Close()
		p.end()
		if errors.Is(err, io.EOF) {
			p.listen()
			err = errors.New("it ended before it served")
		}
		return nil, p.explain(err)
	}
	p.serving()
	s.lead <- struct{}{}
	s.watch = time.AfterFunc(idleTime, s.receive) // not before: it would find nothing to take, and nobody would receive
	return s, nil
}

// greet checks what the helper says of itself against what the client will ask of it.
func (s *session) greet(m wire.Message, contexts []*privsep.Context) error {
	if refused, ok := m.(wire.Error); ok { // a service turns us away
		return &privsep.CallError{Code: refused.Code, Errno: refused.Errno, Message: refused.Message, Outcome: privsep.NotSent}
	}
	hello, ok := m.(wire.Hello)
	if !ok {
		return fmt.Errorf("its first message is %s: is this a root helper?", m.Type())
	}
	if hello.Version != wire.Version {
		return fmt.Errorf("it speaks protocol %d, this client speaks %d: build both from the same release", hello.Version, wire.Version)
	}
	serves := map[string]string{}
	for _, d := range hello.Entrypoints {
		serves[d.Name] = d.Fingerprint
	}
	for _, c := range contexts {
		for _, d := range c.Declarations() {
			switch have, found := serves[d.Name]; {
			case !found:
				return fmt.Errorf("it has no entrypoint %s", d.Name)
			case have != d.Fingerprint:
				return fmt.Errorf("entrypoint %s has other types there: it takes and gives %s, we %s", d.Name, have, d.Fingerprint)
			}
		}
	}
	s.hello = hello
	return nil
}

func (s *session) alive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dead == nil
}

// lived says how long it lived, or has lived.
func (s *session) lived() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead == nil {
		return time.Since(s.began)
	}
	return s.ended.Sub(s.began)
}

// end ends the session: every call without an answer fails, once.
func (s *session) end(cause error) {
	s.mu.Lock()
	if s.dead != nil {
		s.mu.Unlock()
		return
	}
	s.dead, s.ended = cause, time.Now()
	calls := s.calls
	s.calls = nil
	s.mu.Unlock()
	s.conn.Shutdown()
	s.conn.Close()
	for _, p := range calls {
		p.answer <- answer{failure: lost(p.entrypoint, cause)}
	}
}

func lost(entrypoint string, cause error) *privsep.CallError {
	text := "the root helper is gone"
	if cause != nil && !errors.Is(cause, io.EOF) {
		text += ": " + cause.Error()
	}
	return &privsep.CallError{Entrypoint: entrypoint, Code: privsep.CodeLost, Outcome: privsep.Unknown, Message: text}
}

func (s *session) dispatch(m wire.Message, files []*os.File) error {
	switch m := m.(type) {
	case wire.Return:
		return s.deliver(m.ID, answer{data: m.Reply, files: files})
	case wire.Error:
		return s.deliver(m.ID, answer{failure: &privsep.CallError{Code: m.Code, Errno: m.Errno, Message: m.Message,
			Outcome: privsep.Answered}})
	case wire.Started:
		p := s.begin(m.ID)
		if p == nil {
			return unknownCall(wire.TypeStarted)
		}
		if p.started != nil {
			p.started(p, m)
		}
	case wire.Log:
		s.logs.addAfter(m.Dropped, s.record(m))
	case wire.Pong:
	default:
		return &wire.ProtocolError{From: wire.FromHelper, Cause: m.Type().String() + " after HELLO"}
	}
	return nil
}

func unknownCall(t wire.Type) error {
	return &wire.ProtocolError{From: wire.FromHelper, Cause: t.String() + " for a call that was not made or is answered"}
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
