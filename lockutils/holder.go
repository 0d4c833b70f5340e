package lockutils

import (
	"context"
	"errors"
	"os"
	"time"
)

// refusal is the error of a claim that did not get its lock. Who holds it is looked up where somebody will want to know:
// not for a ctx that was cancelled.
func (s *Set) refusal(c *claim, cause error) error {
	e := &WaitError{Name: c.name, Path: c.path, Waited: time.Since(c.asked), Err: cause}
	s.mu.Lock()
	for _, other := range c.file.claims {
		if other != c && !other.since.IsZero() {
			e.Holder = &Holder{Pid: os.Getpid(), Command: commandOf(os.Getpid()), Since: other.since, Here: true}
			break
		}
	}
	s.mu.Unlock()
	if e.Holder == nil && c.path != "" && !errors.Is(cause, context.Canceled) {
		e.Holder = holderOf(c.path)
	}
	return e
}
