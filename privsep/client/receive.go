package client

import (
	"context"
	"os"
	"runtime"
	"time"

	"github.com/privhelper/privhelper/privsep/internal/wire"
)

// What the helper sends is received by a caller that waits for its answer, for all others too, until it has its own: then
// one of the others goes on. To wake a caller from a goroutine that receives costs more than the call. Where nobody has waited
// for idleTime such a goroutine does receive, so that the helper's records and its end are seen.
const idleTime = time.Millisecond

// crowdTime is for how many calls after one that was not alone the caller lets other goroutines run before it enters the kernel.
// It keeps a processor there that they need, and what they have to send leaves together.
const crowdTime = 32

// wait returns the call's answer, or ctx's error.
func (p *pending) wait(ctx context.Context) (answer, error) {
	s := p.session
	for {
		select {
		case a := <-p.answer:
			return a, nil
		case <-s.lead:
			err := s.receiveFor(ctx, p)
			s.giveLead()
			if err != nil {
				return answer{}, err
			}
		case <-ctx.Done():
			return answer{}, ctx.Err()
		}
	}
}

// receiveFor receives until the call is answered or the session has ended, which answers it too; the error is ctx's. What has
// come whole is not left to the next.
func (s *session) receiveFor(ctx context.Context, p *pending) error {
	for len(p.answer) == 0 || s.conn.Whole() {
		if !s.conn.Whole() && s.crowded() {
			runtime.Gosched() // they run first: who waits in the kernel keeps a processor for a while
			_, _ = s.conn.Flush()
		}
		m, files, err := s.conn.ReceiveUntil(ctx)
		if err == wire.ErrWaited {
			return ctx.Err()
		}
		if err == nil {
			err = s.dispatch(m, files)
		}
		if err != nil {
			s.end(err)
			return nil
		}
	}
	return nil
}

// crowded reports whether other calls are under way, or were a few calls ago.
func (s *session) crowded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.crowd > 0
}

// giveLead lets another receive. The time begins when the lead can be taken: were it over before, nobody might receive.
func (s *session) giveLead() {
	s.lead <- struct{}{}
	s.watch.Reset(idleTime)
}

// receive receives while nobody else does, until it has an answer for somebody, who will receive the next.
func (s *session) receive() {
	select {
	case <-s.lead:
	default:
		return
	}
	for {
		m, files, err := s.conn.Receive()
		if err == nil {
			err = s.dispatch(m, files)
		}
		if err != nil {
			s.end(err) // nobody waits any more, and nobody will
			return
		}
		switch m.(type) {
		case wire.Return, wire.Error:
			if !s.conn.Whole() {
				s.giveLead()
				return
			}
		}
	}
}

// send sends a call. Where others are under way what they are about to send leaves together with it.
func (s *session) send(ctx context.Context, m wire.Call, files []*os.File, others bool) (begun bool, err error) {
	if len(files) > 0 || ctx.Err() != nil {
		return s.conn.Send(ctx, m, files)
	}
	posted, first := s.conn.Post(m)
	switch {
	case !posted:
		return s.conn.Send(ctx, m, nil)
	case !first:
		return true, nil
	case others:
		runtime.Gosched()
	}
	return s.conn.Flush()
}
