package client

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/internal/wire"
)

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
	m := wire.Call{Entrypoint: r.Entrypoint, Args: r.Args, Token: r.Token}
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
