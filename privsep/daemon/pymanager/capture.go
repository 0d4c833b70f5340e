package pymanager

import (
	"errors"
	"io"
	"sync"
)

// The pieces that output is kept in: the first holds what most commands say, the largest makes few of them.
const (
	firstPiece = 4 << 10
	lastPiece  = 1 << 20
)

// errOutput is about filters.DaemonMax.Output.
var errOutput = errors.New("more output than one command may have (daemon_max_output)")

// An output is what came from one stream, in pieces.
type output struct{ pieces [][]byte }

// A capture takes the output of one command from two streams, each read by a goroutine of its own.
type capture struct {
	memory *budget

	mu     sync.Mutex
	left   int64 // bytes that may still come
	held   int64 // of memory
	closed bool
	out    output
	err    output
}

// read takes all that comes from r into o. The error is errOutput or errMemory when it may take no more; a stream that
// fails has ended. Once the capture is closed what comes is dropped: a daemon that the command left behind writes to its
// standard output as long as it lives, and would die of SIGPIPE if nobody read it.
func (c *capture) read(o *output, r io.Reader) error {
	for size := firstPiece; ; size = min(lastPiece, 4*size) {
		piece, err := c.piece(o, size)
		if err != nil {
			return err
		}
		for space := piece; len(space) > 0; {
			n, err := r.Read(space)
			if grown := c.came(o, n); grown != nil {
				return grown
			}
			if err != nil {
				return nil
			}
			space = space[n:]
		}
	}
}

// piece adds an empty piece to o and returns its space.
func (c *capture) piece(o *output, size int) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return make([]byte, firstPiece), nil
	}
	if err := c.memory.take(int64(size)); err != nil {
		return nil, err
	}
	c.held += int64(size)
	space := make([]byte, size)
	o.pieces = append(o.pieces, space[:0])
	return space, nil
}

// came says that the last piece of o has n bytes more. Of more than may come, what may is kept.
func (c *capture) came(o *output, n int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	kept := min(int64(n), c.left)
	c.left -= kept
	last := &o.pieces[len(o.pieces)-1]
	*last = (*last)[:len(*last)+int(kept)]
	if int64(n) > kept {
		return errOutput
	}
	return nil
}

// close ends the taking: out and err no longer change, and may be read without the lock.
func (c *capture) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
}

// say adds a line to standard error, of our own and so beyond all limits. The capture is closed.
func (c *capture) say(text string) {
	c.err.pieces = append(c.err.pieces, []byte(text+"\n"))
}

// free gives the memory back.
func (c *capture) free() {
	c.memory.give(c.held)
	c.held, c.out, c.err = 0, output{}, output{}
}
