package lockutils

import (
	"context"
	"errors"
	"os"
	"time"
)

// heldSince returns since when another claim than c holds the file in this process; zero if none does. The caller holds
// mu.
func (f *file) heldSince(c *claim) time.Time {
	for _, other := range f.claims {
		if other != c && !other.since.IsZero() {
			return other.since
		}
	}
	return time.Time{}
}

// refusal is the error of a claim, one of its file's, that did not get its lock.
func (s *Set) refusal(c *claim, cause error) error {
	s.mu.Lock()
	since := c.file.heldSince(c)
	s.mu.Unlock()
	return c.refused(since, cause)
}

// refused is refusal when it is known since when this process holds the lock, if it does. Who else holds it is looked up
// where somebody will want to know: not for a ctx that was cancelled.
func (c *claim) refused(since time.Time, cause error) error {
	e := &WaitError{Name: c.name, Path: c.path, Waited: time.Since(c.asked), Err: cause}
	switch {
	case !since.IsZero():
		e.Holder = &Holder{Pid: os.Getpid(), Command: commandOf(os.Getpid()), Since: since, Here: true}
	case c.path != "" && !errors.Is(cause, context.Canceled):
		e.Holder = holderOf(c.path)
	}
	return e
}
