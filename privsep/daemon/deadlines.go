package daemon

import (
	"container/heap"
	"time"

	"github.com/privhelper/privhelper/privsep"
)

// deadlines are the calls that wait and have one, the next first. One timer serves them all: a timer of its own for each
// would be a goroutine for each when they pass together.
type deadlines struct {
	calls []*call
	timer *time.Timer
}

func (d *deadlines) Len() int           { return len(d.calls) }
func (d *deadlines) Less(i, j int) bool { return d.calls[i].deadline.Before(d.calls[j].deadline) }

func (d *deadlines) Swap(i, j int) {
	d.calls[i], d.calls[j] = d.calls[j], d.calls[i]
	d.calls[i].due, d.calls[j].due = i+1, j+1
}

// Push is heap.Interface's.
func (d *deadlines) Push(x any) {
	c := x.(*call)
	d.calls = append(d.calls, c)
	c.due = len(d.calls)
}

// Pop is heap.Interface's.
func (d *deadlines) Pop() any {
	last := len(d.calls) - 1
	c := d.calls[last]
	d.calls[last] = nil
	d.calls = d.calls[:last]
	c.due = 0
	return c
}

// enqueue makes a call wait for a slot. The server's lock is held.
func (s *server) enqueue(c *call) {
	s.waiting.push(c)
	if c.deadline.IsZero() {
		return
	}
	heap.Push(&s.due, c)
	if c.due == 1 {
		s.watchDeadlines()
	}
}

// leaveQueue takes out a call that waits. The server's lock is held.
func (s *server) leaveQueue(c *call) {
	s.waiting.remove(c)
	if c.due > 0 {
		heap.Remove(&s.due, c.due-1)
	}
}

// watchDeadlines sets the timer to the next deadline. The server's lock is held.
func (s *server) watchDeadlines() {
	if len(s.due.calls) == 0 {
		return
	}
	wait := time.Until(s.due.calls[0].deadline)
	if s.due.timer == nil {
		s.due.timer = time.AfterFunc(wait, s.expire)
	} else {
		s.due.timer.Reset(wait)
	}
}

// expire has calls answered whose deadline has passed while they waited.
func (s *server) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for now := time.Now(); len(s.due.calls) > 0 && !s.due.calls[0].deadline.After(now); {
		s.giveUp(s.due.calls[0], privsep.CodeDeadline)
	}
	s.watchDeadlines()
}
