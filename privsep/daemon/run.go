package daemon

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/internal/wire"
)

// begin gives a call that has a slot its context; run is to follow. The server's lock is held, so that a CANCEL finds a call
// that waits or one that can be cancelled.
func (s *server) begin(c *call) {
	ctx := context.WithValue(s.ctx, callKey{}, c)
	if c.deadline.IsZero() {
		c.ctx, c.cancel = context.WithCancel(ctx)
	} else {
		c.ctx, c.cancel = context.WithDeadline(ctx, c.deadline)
	}
	c.settled = context.AfterFunc(c.ctx, func() { s.overdue(c) })
	s.running[c] = struct{}{}
	s.group.Add(1)
}

// run is the life of a handler. Whatever it does, return, panic or end its goroutine, its call is answered and its slot
// is given on, in this order: a client that does not read its answers keeps the slots.
func (s *server) run(c *call) {
	defer s.group.Done()
	defer s.release(c)
	defer c.cancel()
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
	if err := c.ctx.Err(); err != nil { // it ended while the call waited: nobody wants the work any more
		returned = true
		c.fail(ended(endCode(err)))
		return
	}
	c.beganAt.Store(int64(time.Since(s.start)))
	args := c.args
	c.args = nil // it is garbage as soon as it is decoded
	reply, out, err := c.handler.Run(c.ctx, args, slices.Clone(c.files))
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

// overdue gives a handler whose context has ended a little time.
func (s *server) overdue(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.released {
		c.timer = time.AfterFunc(s.daemon.opt.Grace, func() { s.abandon(c) })
	}
}

// abandon answers for a handler that does not return after its context has ended. The goroutine cannot be ended: its
// slot stays taken, and when all are, the helper ends and a fresh one takes its place.
func (s *server) abandon(c *call) {
	if !c.claim() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answerLate(c, endCode(c.ctx.Err()))
	if c.released {
		return
	}
	c.stuck = true
	if s.stuck++; s.stuck >= s.daemon.opt.Slots {
		s.fatal = errStuck
		time.AfterFunc(s.daemon.opt.Grace, s.conn.Shutdown) // sendLate does it sooner where the client reads
	}
}

// endCode says how a context ended.
func endCode(err error) privsep.Code {
	if errors.Is(err, context.DeadlineExceeded) {
		return privsep.CodeDeadline
	}
	return privsep.CodeCancelled
}

// ended is the answer to a call whose context ended before there was another.
func ended(code privsep.Code) error {
	text := "cancelled"
	if code == privsep.CodeDeadline {
		text = "the deadline has passed"
	}
	return &privsep.CallError{Code: code, Outcome: privsep.Answered, Message: text}
}

// release gives a handler's slot to the next that waits.
func (s *server) release(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.released = true
	delete(s.running, c)
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.stuck { // late, and not never: the slot is free again
		c.stuck = false
		s.stuck--
	}
	s.drop(c)
	if next := s.waiting.first; next != nil && s.ctx.Err() == nil {
		s.leaveQueue(next)
		s.begin(next)
		go func() {
			growStack(0)
			s.run(next)
		}()
		return
	}
	if s.taken--; s.taken == 0 && s.draining {
		s.hangUp()
	}
}
