package wire

import (
	"context"
	"encoding/binary"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/privsep/internal/strict"
)

// A mailbox holds small messages that will leave together, by one system call.
type mailbox struct {
	mu  sync.Mutex
	out strict.Writer
}

// maxPosted is how many bytes lie in a mailbox before the next message must be sent.
const maxPosted = 16 << 10

// Post has a message leave with the next Flush or Send, behind those that were posted before. It never waits. first says that
// nothing else lies there: whoever posted the first calls Flush, and takes along what came until then. Where posted is false
// Send sends the message, or says what is wrong with it: it is large, too much lies there, or the other side would refuse it.
func (c *Conn) Post(m Message) (posted, first bool) {
	p := &c.posted
	p.mu.Lock()
	defer p.mu.Unlock()
	w, begin := &p.out, len(p.out.Buf)
	if begin > maxPosted {
		return false, false
	}
	w.Buf = append(w.Buf, 0, 0, 0, 0)
	last := writeHead(w, m, 0)
	size := len(w.Buf) - begin - 4 + len(last)
	if size <= bufferSize {
		w.Raw(last)
	}
	if size > bufferSize || check(w.Buf[begin+4:], !c.from) != nil {
		w.Buf = w.Buf[:begin]
		return false, false
	}
	binary.BigEndian.PutUint32(w.Buf[begin:], uint32(size))
	return true, begin == 0
}

// takePosted takes what lies in the mailbox. It is for whoever has the right to write, and good until that is given on.
func (c *Conn) takePosted() []byte {
	c.posted.mu.Lock()
	defer c.posted.mu.Unlock()
	c.spare, c.posted.out.Buf = c.posted.out.Buf, c.spare[:0]
	return c.spare
}

func (c *Conn) anyPosted() bool {
	c.posted.mu.Lock()
	defer c.posted.mu.Unlock()
	return len(c.posted.out.Buf) > 0
}

// Flush sends what was posted, and never waits: where another goroutine writes just now that one takes it along, and where the
// socket has no room the rest is written in the background. An error says that the connection takes nothing more; begun is
// false with it where not a byte of what was posted has left.
func (c *Conn) Flush() (begun bool, err error) {
	for c.anyPosted() {
		select {
		case <-c.writing:
		default:
			return true, nil // who writes looks again after it has given the right on
		}
		f := outgoing{first: c.takePosted()}
		sent, err := c.writeNow(f, nil)
		if err == unix.EAGAIN {
			go func() {
				_, _ = c.write(context.Background(), f.from(sent), nil)
				c.doneWriting()
			}()
			return true, nil
		}
		c.writing <- struct{}{}
		if err != nil {
			return sent > 0, err
		}
	}
	return true, nil
}

// FlushAll is Flush that waits until all has been sent, as long as ctx lasts.
func (c *Conn) FlushAll(ctx context.Context) {
	select {
	case <-c.writing:
	case <-ctx.Done():
		return
	}
	f := outgoing{first: c.takePosted()}
	sent, _ := c.write(ctx, f, nil)
	c.finish(ctx, f.from(sent))
}
