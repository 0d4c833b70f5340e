package daemon

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/privhelper/privhelper/privsep/internal/wire"
)

// handlerTime is how long a handler keeps the goroutine that reads requests, and the answers to those read before it.
const handlerTime = time.Millisecond

// A reading is the right to read requests, which one goroutine has at a time. A handler runs on the goroutine that has read its
// call, because to wake another costs more than most handlers do. The reading goes on, on a goroutine of its own, when the
// handler has returned or handlerTime has passed, whichever is first: nobody says which handler is quick, and none holds up
// another call. What came with one recvmsg(2) is answered by one sendmsg(2), before the reading waits for more.
//
// A goroutine runs one handler and ends, as if each had been started for its own: a handler may lock itself to its thread,
// change that for good, and leave it to die (runtime.LockOSThread). Goroutines that are used again are the road not taken.
type reading struct {
	over  chan error           // gets the one error, or nil, that ended the reading
	by    atomic.Pointer[call] // whose handler has the right while it runs
	timer *time.Timer          // set when requests have come
	late  atomic.Bool          // it has gone off since: the next handler does not keep the right
}

func (r *reading) init(s *server) {
	r.over = make(chan error, 1)
	r.timer = time.AfterFunc(handlerTime, func() {
		s.flush()
		r.late.Store(true)
		s.readOn(r.by.Load())
	})
}

// receive reads what the client sends until it has a call that may run, and runs it.
func (s *server) receive() {
	growStack(0)
	var c *call
	var err error
	for c == nil && err == nil {
		c, err = s.next()
	}
	if err != nil {
		s.flush()
		if errors.Is(err, io.EOF) || errors.Is(err, os.ErrClosed) {
			err = nil
		}
		s.reading.over <- err
		return
	}
	s.reading.by.Store(c)
	if s.reading.late.Load() {
		s.readOn(c)
	}
	defer func() { // also where the handler ends this goroutine
		if !s.readOn(c) {
			s.flush() // its answer may have been posted when the reading had just gone on
		}
	}()
	s.run(c)
}

// growStack gives a new goroutine at once the stack that a call needs. Grown step by step, as the frames need it, it is copied
// with all of them each time, which was the largest cost of a call after its system calls. Any i will do; a constant would let
// the compiler leave the room out.
//
//go:noinline
func growStack(i uint) byte {
	var room [3 << 10]byte
	return room[i%uint(len(room))]
}

// readOn has requests read on where c's handler has kept that up, and reports whether it had.
func (s *server) readOn(c *call) bool {
	if c == nil || !s.reading.by.CompareAndSwap(c, nil) {
		return false
	}
	go s.receive()
	return true
}

// next takes one message, and returns the call that is to run now, if it was one. What was answered is sent before it waits
// for more.
func (s *server) next() (*call, error) {
	more := s.conn.Whole()
	if !more {
		s.flush()
	}
	m, files, err := s.conn.Receive()
	if err != nil {
		return nil, err
	}
	if !more || s.reading.late.Load() {
		s.reading.late.Store(false)
		s.reading.timer.Reset(handlerTime)
	}
	switch m := m.(type) {
	case wire.Call:
		s.tidy(len(m.Args))
		return s.admit(m, files)
	case wire.Cancel:
		s.cancel(m.ID)
	case wire.Signal:
		s.signal(m)
	case wire.Ping:
		s.post(wire.Pong(m))
	}
	return nil, nil
}

// post has a message leave before the reading waits again. It is for the goroutine that has the right to read, or whoever sees
// to it that there is a flush. A client that does not read what it is answered is not read any more.
func (s *server) post(m wire.Message) {
	if posted, _ := s.conn.Post(m); !posted {
		s.send(m, nil)
	}
}

// flush sends what was posted. A connection that is broken is found by the reader.
func (s *server) flush() { _, _ = s.conn.Flush() }

// reply sends the answer of a call that has run, with those of other calls while its handler keeps the reading.
func (s *server) reply(c *call, m wire.Message, files []*os.File) {
	if len(files) == 0 && s.reading.by.Load() == c {
		s.post(m)
	} else {
		s.send(m, files)
	}
}

// hangUp ends the connection when all answers have left.
func (s *server) hangUp() {
	go func() {
		s.conn.FlushAll(s.ctx)
		s.conn.Shutdown()
	}()
}
