package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
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

	mu     sync.Mutex
	calls  map[uint64]*pending
	lastID uint64
	dead   error // why it ended; nil: it lives
}

// pending is a call without an answer.
type pending struct {
	session    *session
	id         uint64
	entrypoint string
	started    func(*pending, wire.Started)
	answer     chan answer // room for one
	begun      bool        // its command has started
	given      bool        // its caller has gone: a late answer's files are closed
}

type answer struct {
	data  []byte
	files []*os.File
	err   error
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
	s := &session{conn: conn, process: p, logs: c.logs, calls: map[uint64]*pending{}, began: time.Now()}
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
	go s.receive()
	return s, nil
}

// greet checks what the helper says of itself against what the client will ask of it.
func (s *session) greet(m wire.Message, contexts []*privsep.Context) error {
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
		p.answer <- answer{err: s.lost(p.entrypoint, cause)}
	}
}

func (s *session) lost(entrypoint string, cause error) error {
	text := "the root helper is gone"
	if cause != nil && !errors.Is(cause, io.EOF) {
		text += ": " + cause.Error()
	}
	return &privsep.CallError{Entrypoint: entrypoint, Code: privsep.CodeLost, Outcome: privsep.Unknown, Message: text}
}

// receive reads what the helper sends until the connection ends.
func (s *session) receive() {
	for {
		m, files, err := s.conn.Receive()
		if err == nil {
			err = s.dispatch(m, files)
		}
		if err != nil {
			s.end(err)
			return
		}
	}
}

func (s *session) dispatch(m wire.Message, files []*os.File) error {
	switch m := m.(type) {
	case wire.Return:
		return s.deliver(m.ID, answer{data: m.Reply, files: files})
	case wire.Error:
		p := s.find(m.ID)
		if p == nil {
			return unknownCall(m)
		}
		return s.deliver(m.ID, answer{err: &privsep.CallError{Entrypoint: p.entrypoint, Code: m.Code, Errno: m.Errno,
			Message: m.Message, Outcome: privsep.Answered}})
	case wire.Started:
		p := s.find(m.ID)
		if p == nil || p.begun {
			return unknownCall(m)
		}
		p.begun = true
		if p.started != nil {
			p.started(p, m)
		}
	case wire.Log:
		s.logs.add(s.record(m))
	case wire.Pong:
	default:
		return &wire.ProtocolError{From: wire.FromHelper, Cause: m.Type().String() + " after HELLO"}
	}
	return nil
}

func (s *session) find(id uint64) *pending {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[id]
}

func unknownCall(m wire.Message) error {
	return &wire.ProtocolError{From: wire.FromHelper, Cause: m.Type().String() + " for a call that was not made or is answered"}
}

// deliver gives an answer to its call, and closes its files where nobody waits any more.
func (s *session) deliver(id uint64, a answer) error {
	s.mu.Lock()
	p := s.calls[id]
	delete(s.calls, id)
	wanted := p != nil && !p.given
	if wanted {
		p.answer <- a // under the lock: who gives up looks here after it has said so
	}
	s.mu.Unlock()
	if p == nil {
		closeAll(a.files)
		return unknownCall(wire.Return{})
	}
	if !wanted {
		closeAll(a.files)
	}
	return nil
}

// call sends one request and waits for its answer, or for the end of ctx and a moment more.
func (s *session) call(ctx context.Context, r privsep.Request, started func(*pending, wire.Started), wait time.Duration) (privsep.Answer, error) {
	p := &pending{session: s, entrypoint: r.Entrypoint, started: started, answer: make(chan answer, 1)}
	m := wire.Call{Entrypoint: r.Entrypoint, Args: r.Args}
	if deadline, ok := ctx.Deadline(); ok {
		m.Timeout = max(time.Until(deadline), 1)
	}
	s.mu.Lock()
	if s.dead != nil {
		s.mu.Unlock()
		return privsep.Answer{}, notSent(r.Entrypoint, privsep.CodeLost)
	}
	s.lastID++
	p.id, m.ID = s.lastID, s.lastID
	s.calls[p.id] = p
	s.mu.Unlock()

	begun, err := s.conn.Send(ctx, m, r.Files)
	if !begun {
		s.mu.Lock()
		delete(s.calls, p.id)
		s.mu.Unlock()
		var large *wire.TooLargeError
		if errors.As(err, &large) {
			return privsep.Answer{}, &privsep.CallError{Entrypoint: r.Entrypoint, Code: privsep.CodeTooLarge, Outcome: privsep.NotSent, Message: err.Error()}
		}
		if !s.alive() || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
			err = privsep.CodeLost
		}
		return privsep.Answer{}, notSent(r.Entrypoint, err)
	}
	select {
	case a := <-p.answer:
		return privsep.Answer{Data: a.data, Files: a.files}, a.err
	case <-ctx.Done():
		return p.abandon(ctx, wait)
	}
}

// abandon cancels a call whose context has ended and gives the helper a moment to answer.
func (p *pending) abandon(ctx context.Context, wait time.Duration) (privsep.Answer, error) {
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), wait)
	defer cancel()
	_, _ = p.session.conn.Send(limit, wire.Cancel{ID: p.id}, nil)
	select {
	case a := <-p.answer:
		return privsep.Answer{Data: a.data, Files: a.files}, causedBy(ctx, a.err)
	case <-limit.Done():
	}
	p.session.mu.Lock()
	p.given = true
	p.session.mu.Unlock()
	select {
	case a := <-p.answer: // it came in between
		return privsep.Answer{Data: a.data, Files: a.files}, causedBy(ctx, a.err)
	default:
	}
	e := privsep.ErrorFrom(p.entrypoint, ctx.Err())
	e.Outcome = privsep.Unknown
	e.Message = "the helper did not answer in time: " + ctx.Err().Error()
	return privsep.Answer{}, e
}

// causedBy makes of the helper's "cancelled" what ctx ended with: our CANCEL may be there before the helper's own clock
// has reached the deadline.
func causedBy(ctx context.Context, err error) error {
	var e *privsep.CallError
	if errors.As(err, &e) && e.Code == privsep.CodeCancelled && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		e.Code, e.Message = privsep.CodeDeadline, "the deadline has passed"
	}
	return err
}

// signal sends a signal to the call's command.
func (p *pending) signal(ctx context.Context, m wire.Signal) error {
	m.ID = p.id
	_, err := p.session.conn.Send(ctx, m, nil)
	return err
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
