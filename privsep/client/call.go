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

// pending is a call without an answer. Calls that start no command use it again: nobody but its caller knows it once it
// has its answer.
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
	data    []byte
	files   []*os.File
	failure *privsep.CallError // nil: it succeeded
}

// result is the answer as Do returns it.
func (a answer) result() (privsep.Answer, *privsep.CallError) {
	return privsep.Answer{Data: a.data, Files: a.files}, a.failure
}

// begin marks a call's command as started, and returns the call; nil where there is none that could have started one.
func (s *session) begin(id uint64) *pending {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.calls[id]
	if p == nil || p.begun {
		return nil
	}
	p.begun = true
	return p
}

// deliver gives an answer to its call, and closes its files where nobody waits any more.
func (s *session) deliver(id uint64, a answer) error {
	s.mu.Lock()
	p := s.calls[id]
	delete(s.calls, id)
	wanted := p != nil && !p.given
	if wanted {
		if a.failure != nil {
			a.failure.Entrypoint = p.entrypoint
		}
		p.answer <- a // under the lock: who gives up looks here after it has said so
	}
	s.mu.Unlock()
	if p == nil {
		closeAll(a.files)
		if a.failure != nil {
			return unknownCall(wire.TypeError)
		}
		return unknownCall(wire.TypeReturn)
	}
	if !wanted {
		closeAll(a.files)
	}
	return nil
}

// underWay is the entrypoint of a call without an answer; "" where there is none.
func (s *session) underWay(id uint64) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.calls[id]; p != nil {
		return p.entrypoint
	}
	return ""
}

// call sends one request and waits for its answer, or for the end of ctx and a moment more.
func (s *session) call(ctx context.Context, r privsep.Request, started func(*pending, wire.Started), wait time.Duration) (privsep.Answer, *privsep.CallError) {
	p, _ := s.answered.Get().(*pending)
	if p == nil {
		p = &pending{session: s, answer: make(chan answer, 1)}
	}
	p.entrypoint, p.started, p.begun = r.Entrypoint, started, false
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
	switch {
	case len(s.calls) > 1:
		s.crowd = crowdTime
	case s.crowd > 0:
		s.crowd--
	}
	others := s.crowd > 0
	s.mu.Unlock()

	begun, err := s.send(ctx, m, r.Files, others)
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
	a, err := p.wait(ctx)
	if err != nil {
		return p.abandon(ctx, wait)
	}
	if started == nil {
		s.answered.Put(p)
	}
	return a.result()
}

// abandon cancels a call whose context has ended and gives the helper a moment to answer.
func (p *pending) abandon(ctx context.Context, wait time.Duration) (privsep.Answer, *privsep.CallError) {
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), wait)
	defer cancel()
	_, _ = p.session.conn.Send(limit, wire.Cancel{ID: p.id}, nil)
	if a, err := p.wait(limit); err == nil {
		return a.causedBy(ctx).result()
	}
	p.session.mu.Lock()
	p.given = true
	p.session.mu.Unlock()
	select {
	case a := <-p.answer: // it came in between
		return a.causedBy(ctx).result()
	default:
	}
	e := privsep.ErrorFrom(p.entrypoint, ctx.Err())
	e.Outcome = privsep.Unknown
	e.Message = "the helper did not answer in time: " + ctx.Err().Error()
	return privsep.Answer{}, e
}

// causedBy makes of the helper's "cancelled" what ctx ended with: our CANCEL may be there before the helper's own clock
// has reached the deadline.
func (a answer) causedBy(ctx context.Context) answer {
	if a.failure != nil && a.failure.Code == privsep.CodeCancelled && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		a.failure.Code, a.failure.Message = privsep.CodeDeadline, "the deadline has passed"
	}
	return a
}

// signal sends a signal to the call's command.
func (p *pending) signal(ctx context.Context, m wire.Signal) error {
	m.ID = p.id
	_, err := p.session.conn.Send(ctx, m, nil)
	return err
}
