package daemon

import (
	"fmt"
	"os"
	"time"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/internal/wire"
	"github.com/privhelper/privhelper/privsep/stats"
)

// A load is what calls hold: bytes, and open files of the client.
type load struct{ bytes, files int }

func (l load) plus(other load) load  { return load{l.bytes + other.bytes, l.files + other.files} }
func (l load) minus(other load) load { return load{l.bytes - other.bytes, l.files - other.files} }

// The most that the unanswered calls of a connection may hold together.
const (
	maxBytes = 6 << 20 // arguments as they came and decoded, and what each call takes besides
	maxFiles = 4096

	callBytes = 384 // of a call that waits: itself, its place in the table and the queue
	fileBytes = 512 // of an *os.File
)

// weigh says what a call will hold. Its arguments are held against their type here, before anything is made of them.
func (c *call) weigh(files int) (load, error) {
	l := load{callBytes + len(c.args) + files*fileBytes, files}
	memory, err := c.handler.Measure(c.args, files, maxBytes-l.bytes)
	l.bytes += memory
	return l, err
}

// admit gives a call a slot, a place in the queue, or its error. It returns the call where it has a slot: its handler is to be
// run. Only nonsense is an error of the connection.
func (s *server) admit(m wire.Call, files []*os.File) (*call, error) {
	c := &call{server: s, id: m.ID, token: m.Token, args: m.Args, files: files}
	if m.Timeout > 0 {
		c.deadline = time.Now().Add(m.Timeout)
	}
	var refused error
	if c.handler = s.handlers[m.Entrypoint]; c.handler != nil {
		if c.load, refused = c.weigh(len(files)); refused == nil && s.gate != nil {
			refused = s.gate()
		}
	} else {
		c.handler = &privsep.Handler{Declaration: privsep.Declaration{Name: m.Entrypoint}}
		refused = noEntrypoint(m.Entrypoint)
	}

	runs := false
	told := c.handler.Name == stats.Get.Name() && refused == nil
	s.mu.Lock()
	twice := s.calls[m.ID] != nil
	if !twice && !told && refused == nil {
		runs, refused = s.place(c)
	}
	s.mu.Unlock()

	if twice {
		c.closeFiles()
		return nil, &wire.ProtocolError{From: wire.FromClient, Cause: fmt.Sprintf("call id %d is used twice", m.ID)}
	}
	if told {
		s.tell(c, c.handler)
	}
	if refused != nil {
		c.closeFiles()
		answer := errorOf(c, refused)
		s.ended(c, answer.Code)
		s.post(answer)
	}
	if !runs {
		return nil, nil
	}
	return c, nil
}

// place gives a call a slot, so that it runs, or a place in the queue, or says why there is none. The server's lock is held.
func (s *server) place(c *call) (runs bool, refused error) {
	held := s.held.plus(c.load)
	switch {
	case s.draining:
		return false, busy(c, "the service is stopping")
	case held.bytes > maxBytes:
		return false, busy(c, fmt.Sprintf("unanswered calls hold %d bytes already", s.held.bytes))
	case held.files > maxFiles:
		return false, busy(c, fmt.Sprintf("unanswered calls hold %d open files already", s.held.files))
	case s.taken < s.daemon.opt.Slots:
		s.taken++
		s.begin(c)
		runs = true
	case s.waiting.len < s.daemon.opt.Queue:
		s.enqueue(c)
	default:
		return false, busy(c, fmt.Sprintf("%d calls run and %d wait already", s.taken, s.waiting.len))
	}
	s.calls[c.id] = c
	s.held = held
	c.holders = 1
	return runs, nil
}

func busy(c *call, text string) error {
	return &privsep.CallError{Entrypoint: c.handler.Name, Code: privsep.CodeBusy, Outcome: privsep.Answered, Message: text}
}

// giveUp takes a call out of the queue and has it answered. The server's lock is held.
func (s *server) giveUp(c *call, code privsep.Code) {
	s.leaveQueue(c)
	s.answerLate(c, code)
	s.drop(c)
}

// answerLate has a call answered that its handler does not answer: it never ran, or does not return. All of them share
// one goroutine, so that a client that does not read gets none for each. The server's lock is held.
func (s *server) answerLate(c *call, code privsep.Code) {
	delete(s.calls, c.id) // its id may be used again as soon as the client has the answer
	c.code = code
	s.ended(c, code)
	c.holders++
	s.late.push(c)
	if !s.sending {
		s.sending = true
		go s.sendLate()
	}
}

func (s *server) sendLate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.late.len > 0 {
		c := s.late.first
		s.late.remove(c)
		s.mu.Unlock()
		if c.ctx == nil {
			c.closeFiles() // it never ran
		}
		s.send(errorOf(c, ended(c.code)), nil)
		s.mu.Lock()
		s.drop(c)
	}
	s.sending = false
	if s.fatal != nil {
		s.conn.Shutdown()
	}
}

// drop forgets what a call holds when the last of those that work on it has ended. The server's lock is held.
func (s *server) drop(c *call) {
	if c.holders--; c.holders == 0 {
		s.held = s.held.minus(c.load)
	}
}
