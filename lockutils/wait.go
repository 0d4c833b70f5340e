package lockutils

import (
	"context"
	"errors"
	"io/fs"
	"slices"
)

// wait is a file's wait in the kernel, in one mode. One thread does it for all claims, and is called back when the last of
// them leaves. A claim that comes before it is gone sends it to wait again.
type wait struct {
	running bool
	grip    grip     // by which the thread waits; nil while it does not
	claims  []*claim // that have their turn in this process, first come first
}

// errRecalled is what a wait in the kernel returns that nobody needs any more.
var errRecalled = errors.New("wait was called back")

// remove takes c out and reports whether it was there.
func (w *wait) remove(c *claim) bool {
	i := slices.Index(w.claims, c)
	if i < 0 {
		return false
	}
	w.claims = slices.Delete(w.claims, i, i+1)
	return true
}

// grasp takes the file for a claim that has its turn in this process.
func (s *Set) grasp(ctx context.Context, c *claim, try bool) error {
	f := c.file
	if f.in == nil {
		return nil
	}
	if s.Polite {
		if err := s.letPollersIn(ctx, c, try); err != nil {
			return err
		}
	}
	if s.Fair {
		// Now and not on arrival: a claim that has its turn here must never wait for a ticket of one that has not.
		t, err := s.takeTicket(ctx, c.path)
		if err != nil && ctx.Err() != nil {
			return s.refusal(c, ended(ctx))
		}
		if err != nil {
			return err
		}
		c.ticket = t
	}
	first, err := c.ticket.first()
	if err != nil {
		return err
	}
	g, err := s.open(f, c.turn.shared)
	if err != nil {
		return err
	}
	if first {
		g, err = s.tryCurrent(f, g, c.turn.shared)
		if err == nil {
			c.grip = g
			c.ticket.leave()
			return nil
		}
		if !errors.Is(err, ErrBusy) {
			return err
		}
	}
	if try {
		return errors.Join(s.refusal(c, ErrBusy), g.close())
	}
	if err := s.reentry(c, g); err != nil {
		return errors.Join(err, g.close())
	}
	return s.await(ctx, c, g)
}

// tryCurrent takes the lock on g if that needs no waiting, and opens the path again as long as another file has its
// name. It returns ErrBusy with an open grip, any other error without one.
func (s *Set) tryCurrent(f *file, g grip, shared bool) (grip, error) {
	for {
		got, err := g.try(shared)
		if err == nil && !got {
			return g, ErrBusy
		}
		if err == nil {
			var current bool
			if current, err = g.current(); current {
				return g, nil
			}
		}
		if closing := g.release(); err == nil {
			err = closing
		}
		if err != nil {
			return nil, err
		}
		if g, err = s.open(f, shared); err != nil {
			return nil, err
		}
	}
}

// waitCurrent is tryCurrent that waits. Without a grip it opens one; on error, errRecalled for one, it leaves none.
func (s *Set) waitCurrent(f *file, w *wait, g grip, shared bool) (grip, error) {
	for {
		if g == nil {
			var err error
			if g, err = s.open(f, shared); err != nil {
				return nil, err
			}
		}
		s.mu.Lock()
		w.grip = g
		wanted := len(w.claims) > 0
		s.mu.Unlock()
		if !wanted { // whoever left last found no grip to call back
			return nil, errors.Join(errRecalled, g.close())
		}
		err := g.wait(shared)
		s.mu.Lock()
		w.grip = nil
		s.mu.Unlock()
		if errors.Is(err, errRecalled) {
			return nil, errors.Join(err, g.close())
		}
		if err == nil {
			var current bool
			if current, err = g.current(); current {
				return g, nil
			}
		}
		if closing := g.release(); err == nil {
			err = closing
		}
		if err != nil {
			return nil, err
		}
		g = nil
	}
}

// await waits for the kernel's grant, by the file's one thread for the mode. It takes g over.
func (s *Set) await(ctx context.Context, c *claim, g grip) error {
	f := c.file
	c.granted = make(chan error, 1)
	s.mu.Lock()
	w := f.wait(c.turn.shared)
	adopted := w.running
	if adopted && c.turn.shared {
		// The thread may be waiting, with another's ticket, for this one's to be given up.
		c.ticket.leave()
		c.ticket = nil
	}
	w.claims = append(w.claims, c)
	w.running = true
	s.mu.Unlock()
	if adopted {
		_ = g.close() // nothing was written, and nothing is held
	} else {
		go s.waitInKernel(f, w, g, c.turn.shared)
	}
	select {
	case err := <-c.granted:
		return err
	case <-ctx.Done():
	}
	s.mu.Lock()
	waiting := w.remove(c)
	var unwanted grip
	if len(w.claims) == 0 {
		unwanted = w.grip
	}
	s.mu.Unlock()
	if unwanted != nil {
		// If another claim comes in this moment its wait is called back too, and begins again.
		unwanted.recall()
	}
	if !waiting { // granted in the same moment
		if granted := <-c.granted; granted != nil {
			return granted
		}
		if releasing := c.grip.release(); releasing != nil {
			return releasing
		}
	}
	return s.refusal(c, ended(ctx))
}

// waitInKernel is the thread. It takes g over, waits, hands what it got to the claim that is first by then, and goes on
// as long as there are claims: shared ones get a description each. In the end the thread is Go's again, to be used for
// something else. It is not ended by runtime.LockOSThread: it may be one that started a child with Pdeathsig before, which
// would die with it.
func (s *Set) waitInKernel(f *file, w *wait, g grip, shared bool) {
	for c := s.waitFair(f, w); c != nil; c = s.waitFair(f, w) {
		got, err := s.waitCurrent(f, w, g, shared)
		g = nil
		s.mu.Lock()
		switch {
		case len(w.claims) == 0:
			s.mu.Unlock()
			g = got // to be given back
			continue
		case errors.Is(err, errRecalled): // and then somebody came
			s.mu.Unlock()
			continue
		case s.Fair && w.claims[0] != c:
			// The one that was first among the processes has left. Whoever is first now has a later ticket.
			s.mu.Unlock()
			if err == nil {
				_ = got.release()
			}
			continue
		}
		c = w.claims[0]
		w.remove(c)
		c.grip = got
		c.ticket.leave()
		c.granted <- err
		if len(w.claims) == 0 {
			// Whoever comes now must find that nobody waits, before the claim above is out of sight.
			w.running = false
			s.drop(f)
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
	}
	if g != nil {
		// Nobody is left to tell of an error: the description is closed whatever release returns.
		_ = g.release()
	}
}

// waitFair returns the claim that is to wait in the kernel, when it is first among the processes too if the Set is
// fair. It returns nil, and the wait is over, when there is none.
func (s *Set) waitFair(f *file, w *wait) *claim {
	for {
		s.mu.Lock()
		if len(w.claims) == 0 {
			w.running = false
			s.drop(f)
			s.mu.Unlock()
			return nil
		}
		c := w.claims[0]
		s.mu.Unlock()
		if c.ticket == nil {
			return c
		}
		err := c.ticket.wait()
		s.mu.Lock()
		stays := slices.Contains(w.claims, c) // else it has left, and gave its ticket up
		if stays && err != nil {
			w.remove(c)
			c.granted <- err
		}
		s.mu.Unlock()
		if stays && err == nil {
			return c
		}
	}
}

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
