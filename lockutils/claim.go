package lockutils

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// claim is one call's way to a lock: in line in this process, then before the kernel, then holding. Set.mu guards what
// others look at: turn, queued, since, handed, over.
type claim struct {
	set    *Set
	file   *file
	name   string
	path   string
	turn   turn
	chain  *chain
	ticket *ticket // of a fair Set
	heat   *heat   // of a polite Set
	grip   grip    // what is held of the file; nil where locks hold in this process alone

	asked   time.Time
	queued  time.Time // when it came into line in this process; zero where it had its turn at once
	since   time.Time // of the grant; zero until then
	granted chan error

	handed []*os.File // given to children
	over   bool       // release was called
	held   Held       // what the caller gets, in the same piece of memory
}

// want is what a call asks for.
type want struct {
	name   string
	shared bool
	try    bool
}

// acquire is the whole road of Lock, RLock, TryLock and TryRLock.
func (s *Set) acquire(ctx context.Context, w want) (*Held, error) {
	fileName, err := s.Names.file(s.Prefix, w.name)
	if err != nil {
		return nil, err
	}
	return s.acquireFile(ctx, w, fileName)
}

func (s *Set) acquireFile(ctx context.Context, w want, fileName string) (*Held, error) {
	if ctx.Err() != nil {
		return nil, &WaitError{Name: w.name, Err: ended(ctx)}
	}
	c := &claim{set: s, name: w.name, turn: turn{shared: w.shared}, chain: chainOf(ctx), asked: time.Now()}
	if err := s.enter(ctx, c, fileName, w.try); err != nil {
		return nil, err
	}
	if err := s.grasp(ctx, c, w.try); err != nil {
		c.ticket.leave()
		s.mu.Lock()
		s.forget(c)
		s.mu.Unlock()
		return nil, errors.Join(err, c.heat.close())
	}
	if err := c.heat.granted(); err != nil {
		return nil, errors.Join(err, c.release())
	}
	now := time.Now()
	s.mu.Lock()
	c.since = now
	s.mu.Unlock()
	held := &c.held
	held.Name, held.Path, held.Waited, held.ctx, held.claim = c.name, c.path, now.Sub(c.asked), ctx, c
	if s.Logger != nil {
		s.Logger.DebugContext(ctx, "lock acquired", "name", w.name, "path", held.Path, "shared", w.shared, "waited", held.Waited.Seconds())
	}
	return held, nil
}

// enter waits for the claim's turn in this process.
func (s *Set) enter(ctx context.Context, c *claim, fileName string, try bool) error {
	s.mu.Lock()
	if !s.DisableProcessLocking {
		if _, err := s.folder(); err != nil {
			s.mu.Unlock()
			return err
		}
	}
	f := s.file(fileName)
	c.file, c.path = f, f.path
	if try {
		if !f.turns.tryEnter(&c.turn) {
			since := f.heldSince(c)
			s.mu.Unlock()
			return c.refused(since, ErrBusy)
		}
		f.claims = append(f.claims, c)
		s.mu.Unlock()
		return nil
	}
	if c.chain.holds(f) {
		s.mu.Unlock()
		return &DeadlockError{Name: c.name, Cycle: []string{c.name}}
	}
	f.claims = append(f.claims, c)
	if f.turns.enter(&c.turn) {
		s.mu.Unlock()
		return nil
	}
	c.queued = time.Now() // with mu held, or somebody could come later and yet not see c in line: see circle
	s.mu.Unlock()
	if circle := c.circle(); circle != nil {
		s.mu.Lock()
		s.forget(c)
		s.mu.Unlock()
		return &DeadlockError{Name: c.name, Cycle: circle}
	}
	select {
	case <-c.turn.ready:
		return nil
	case <-ctx.Done():
		err := s.refusal(c, ended(ctx))
		s.mu.Lock()
		s.forget(c)
		s.mu.Unlock()
		return err
	}
}

// release gives back what the claim holds: the file first, then the turn, so that the next in this process finds it
// free.
func (c *claim) release() error {
	s := c.set
	s.mu.Lock()
	c.over = true // and nothing is handed on any more
	handed := c.handed
	s.mu.Unlock()
	err := c.heat.released()
	switch {
	case c.grip == nil:
	case handed != nil:
		// Unlocking by name would take the lock from the children too.
		err = errors.Join(err, c.grip.close())
		for _, f := range handed {
			err = errors.Join(err, f.Close())
		}
	default:
		err = errors.Join(err, c.grip.release())
	}
	s.mu.Lock()
	s.forget(c)
	s.mu.Unlock()
	if s.Logger != nil {
		s.Logger.Debug("lock released", "name", c.name, "path", c.path, "shared", c.turn.shared, "held", time.Since(c.since).Seconds())
	}
	if err != nil {
		return fmt.Errorf("unlock %q: %w", c.name, err)
	}
	return nil
}

// hand makes a descriptor for others, who then hold the lock with the claim.
func (c *claim) hand() (*os.File, error) {
	if c.grip == nil {
		return nil, errors.ErrUnsupported
	}
	c.set.mu.Lock()
	defer c.set.mu.Unlock()
	if c.over {
		return nil, ErrNotHeld
	}
	f, err := c.grip.duplicate()
	if err != nil {
		return nil, fmt.Errorf("hand on lock %q: %w", c.name, err)
	}
	c.handed = append(c.handed, f)
	return f, nil
}

// ended says why a ctx ended: Err, and the cause where somebody gave another.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if cause == nil || errors.Is(cause, err) {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}
