package processutils

import (
	"io"
	"sync"
)

// Capture keeps the head and the tail of what is written to it, and hands all of it on. For authors of a Runner: Begin
// makes one for each stream. It is safe for concurrent use.
type Capture struct {
	mu      sync.Mutex
	bound   int    // of head and ring together
	head    []byte // the first half of bound
	ring    []byte // the second half, once the head is full
	next    int    // where the ring is written next
	total   int64
	tee     io.Writer
	teeErr  error
	teeLock sync.Mutex // the tee may block: Output must not wait for it
}

func newCapture(bound int, tee io.Writer) *Capture {
	switch {
	case bound == 0:
		bound = DefaultBound
	case bound < 0:
		bound = 0
	}
	return &Capture{bound: bound, tee: tee}
}

// Write keeps what fits. It never fails and never refuses, or the command would stop at a full pipe: an error of the
// writer behind it comes back from Attempt.End.
func (c *Capture) Write(p []byte) (int, error) {
	c.keep(p)
	if c.tee != nil {
		c.teeLock.Lock()
		defer c.teeLock.Unlock()
		if c.teeErr == nil {
			_, err := c.tee.Write(p)
			c.mu.Lock()
			c.teeErr = err
			c.mu.Unlock()
		}
	}
	return len(p), nil
}

func (c *Capture) keep(p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total += int64(len(p))
	if n := min(len(p), c.bound-c.bound/2-len(c.head)); n > 0 {
		c.head = append(c.head, p[:n]...)
		p = p[n:]
	}
	half := c.bound / 2
	if len(p) > half {
		p = p[len(p)-half:]
	}
	if n := min(len(p), half-len(c.ring)); n > 0 {
		c.ring = append(c.ring, p[:n]...)
		p = p[n:]
	}
	for len(p) > 0 {
		n := copy(c.ring[c.next:], p)
		c.next = (c.next + n) % half
		p = p[n:]
	}
}

// Output returns what was kept so far.
func (c *Capture) Output() Output {
	c.mu.Lock()
	defer c.mu.Unlock()
	tail := append(append([]byte(nil), c.ring[c.next:]...), c.ring[:c.next]...)
	if kept := int64(len(c.head) + len(tail)); kept < c.total {
		return Output{Head: append([]byte(nil), c.head...), Omitted: c.total - kept, Tail: tail}
	}
	if len(tail) == 0 {
		return Output{Head: c.head[:len(c.head):len(c.head)]}
	}
	return Output{Head: append(append([]byte(nil), c.head...), tail...)}
}

// err is the first error of the writer behind.
func (c *Capture) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.teeErr
}
