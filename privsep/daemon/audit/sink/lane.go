package sink

import (
	"fmt"
	"sync"
	"time"
)

// A target is one place where lines go. Its methods are called by one goroutine at a time and may block.
type target interface {
	// put writes one line. That it is not for this target, by its severity, is no error.
	put(line []byte, severity Severity) error
	Close() error
}

// maxWaiting bounds what waits for a target, in bytes: a hundred of the longest lines.
const maxWaiting = 1 << 20

// itemBytes is what an item takes beside its line.
const itemBytes = 64

// An item is one line, or an act that must come between two lines and may ask for a line of its own.
type item struct {
	line     []byte
	severity Severity
	taken    chan<- struct{} // has room; nil: nobody waits
	do       func() (line []byte)
}

// A lane carries lines to one target, in their order, on a goroutine that is there while there are any: a lane that is
// not closed leaves nothing behind.
type lane struct {
	to target

	mu      sync.Mutex
	queue   []item
	bytes   int // of queue
	running bool
	hanging bool // somebody has waited in vain; until the queue is empty nobody does
	closed  chan struct{}
	lost    uint64
	unsaid  uint64 // of lost
}

// add reports whether the caller should wait for the item.
func (l *lane) add(it item) (wait bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	size := len(it.line) + itemBytes
	if l.closed != nil || l.bytes+size > maxWaiting {
		l.lose()
		return false
	}
	l.queue = append(l.queue, it)
	l.bytes += size
	if !l.running {
		l.running = true
		go l.run()
	}
	return it.taken != nil && !l.hanging
}

func (l *lane) lose() {
	l.lost++
	l.unsaid++
}

// hangs notes that somebody has waited in vain, if the target still has not taken all.
func (l *lane) hangs() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hanging = l.running
}

func (l *lane) run() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) > 0 {
		it := l.queue[0]
		l.queue[0] = item{}
		l.queue = l.queue[1:]
		l.bytes -= len(it.line) + itemBytes
		l.deliver(it)
		if it.taken != nil {
			it.taken <- struct{}{}
		}
	}
	l.queue, l.running, l.hanging = nil, false, false
	if l.closed != nil {
		close(l.closed)
	}
}

// deliver takes one item to the target. The lock is held, but not meanwhile.
func (l *lane) deliver(it item) {
	unsaid := l.unsaid
	l.unsaid = 0
	l.mu.Unlock()
	line := it.line
	if it.do != nil {
		line = it.do()
	}
	var err error
	if unsaid > 0 {
		if err = l.to.put(lostLine(unsaid), Error); err == nil {
			unsaid = 0
		}
	}
	if err == nil && line != nil {
		err = l.to.put(line, it.severity)
	}
	l.mu.Lock()
	l.unsaid += unsaid
	if err != nil && line != nil {
		l.lose()
	}
}

func lostLine(n uint64) []byte {
	return fmt.Appendf(nil, `{"time": "%s", "event": "lost", "lines": %d}`, time.Now().UTC().Format(time.RFC3339Nano), n)
}

func (l *lane) count() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// close takes no more lines. What it returns is closed when those under way have come to the target.
func (l *lane) close() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed == nil {
		l.closed = make(chan struct{})
		if !l.running {
			close(l.closed)
		}
	}
	return l.closed
}
