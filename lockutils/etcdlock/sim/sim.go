// Package sim is many machines that contend for one lock with leases, in simulated time: what etcdlock does at a size
// that no test machine has. It is deterministic: the same Config gives the same Result. Tests and docs/scaling.md use it.
//
// What it takes over from etcd and etcdlock: places in line by revision, leases that end a TTL after the last renewal
// that the cluster heard, renewals a third of a TTL apart, Lost at the send time of the last answered one plus the TTL
// less a margin, an act that looks at Lost first and is on its way for a while. What it adds: messages that take time
// or are lost, clocks that run apart, machines that pause at any moment.
package sim

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"time"
)

// Config is one run. Zero probabilities mean never.
type Config struct {
	Seed     uint64
	Machines int
	Length   time.Duration // simulated
	TTL      time.Duration
	Margin   time.Duration // see etcdlock: a tenth of the TTL
	Delay    time.Duration // mean time of a message, one way; exponentially distributed
	Loss     float64       // probability that a message is lost
	Pause    float64       // probability that a machine pauses at an event of its own
	Pauses   time.Duration // mean of a pause
	Hold     time.Duration // mean time that a machine works under the lock
	Drift    float64       // the most by which a machine's clock runs slow: 0.01 is a hundredth
	// Unfenced lets the resource take every act.
	Unfenced bool
}

// Result is what was counted.
type Result struct {
	Grants   int           // locks held
	Acts     int           // that the resource took
	Refused  int           // acts that the fence refused: late ones
	Expired  int           // leases that ended under a holder
	Overlap  int           // acts that began in time, by the machine's clock, while another held: Lost came too late
	Disorder int           // acts taken with a smaller token than one before
	Idle     time.Duration // the lock was wanted, and nobody held it
}

type event struct {
	at  time.Duration
	seq int
	do  func()
}

type agenda []event

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return a[i].at < a[j].at || a[i].at == a[j].at && a[i].seq < a[j].seq
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(e any)   { *a = append(*a, e.(event)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

type world struct {
	Config
	Result
	random *rand.Rand
	now    time.Duration
	seq    int
	next   agenda

	line     []*place // in order of revision
	revision int
	fence    int
	free     time.Duration // since when nobody holds
}

// place is what the cluster knows of a machine's session.
type place struct {
	m      *machine
	epoch  int
	token  int           // its revision
	leased time.Duration // the cluster ends the lease then
}

// machine is a service with its session, as it knows itself.
type machine struct {
	w      *world
	slow   float64 // its clock's rate
	paused time.Duration
	epoch  int           // of the session: messages of an earlier one are void
	until  time.Duration // Lost, on its own clock
	works  bool
}

// Run simulates.
func Run(c Config) Result {
	w := &world{Config: c, random: rand.New(rand.NewPCG(c.Seed, 1))}
	for range c.Machines {
		m := &machine{w: w, slow: 1 - c.Drift*w.random.Float64()}
		w.after(w.mean(c.Hold), m.begin)
	}
	for len(w.next) > 0 {
		e := heap.Pop(&w.next).(event)
		if e.at > c.Length {
			break
		}
		w.now = e.at
		e.do()
	}
	return w.Result
}

func (w *world) after(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.next, event{w.now + d, w.seq, do})
}

func (w *world) mean(d time.Duration) time.Duration {
	return time.Duration(w.random.ExpFloat64() * float64(d))
}

// send carries a message, or loses it.
func (w *world) send(do func()) {
	if w.random.Float64() >= w.Loss {
		w.after(w.mean(w.Delay), do)
	}
}

// clock is what the machine reads.
func (m *machine) clock() time.Duration { return time.Duration(float64(m.w.now) * m.slow) }

// after is something that the machine itself does, when it is not paused; it may pause just before.
func (m *machine) after(d time.Duration, do func()) {
	w := m.w
	epoch := m.epoch
	w.after(d, func() { m.act(epoch, do) })
}

func (m *machine) act(epoch int, do func()) {
	w := m.w
	if w.random.Float64() < w.Pause {
		m.paused = max(m.paused, w.now+w.mean(w.Pauses))
	}
	if m.paused > w.now {
		w.after(m.paused-w.now, func() { m.act(epoch, do) })
		return
	}
	if m.epoch == epoch {
		do()
	}
}

// begin takes a new session and a place in line.
func (m *machine) begin() {
	w := m.w
	m.epoch++
	epoch, sent := m.epoch, m.clock()
	m.works, m.until = false, 0
	w.send(func() { // at the cluster
		w.revision++
		p := &place{m: m, epoch: epoch, token: w.revision, leased: w.now + w.TTL}
		if w.line = append(w.line, p); len(w.line) == 1 {
			w.free = w.now
			w.tell()
		}
		w.expire(p)
		w.send(func() {
			m.act(epoch, func() {
				m.until = sent + w.TTL - w.Margin
				m.renew(p)
			})
		})
	})
	m.after(w.TTL, func() {
		if m.until == 0 { // the answer was lost
			m.begin()
		}
	})
}

// renew asks for another TTL three times in one.
func (m *machine) renew(p *place) {
	w, sent := m.w, m.clock()
	if sent >= m.until {
		m.again() // Lost
		return
	}
	w.send(func() {
		if !slices.Contains(w.line, p) {
			return
		}
		p.leased = w.now + w.TTL
		w.send(func() {
			m.act(p.epoch, func() {
				if m.clock() < m.until { // what comes after Lost changes nothing
					m.until = max(m.until, sent+w.TTL-w.Margin)
				}
			})
		})
	})
	m.after(w.TTL/3, func() { m.renew(p) })
}

// again begins anew after a while of other work.
func (m *machine) again() {
	m.epoch++
	m.after(m.w.mean(m.w.Hold), m.begin)
}

// expire ends the lease at the cluster when it is over.
func (w *world) expire(p *place) {
	w.after(p.leased-w.now, func() {
		switch {
		case !slices.Contains(w.line, p):
		case w.now < p.leased:
			w.expire(p)
		default:
			if p.m.works && p.m.epoch == p.epoch {
				w.Expired++
			}
			w.remove(p)
		}
	})
}

func (w *world) remove(p *place) {
	i := slices.Index(w.line, p)
	if i < 0 {
		return
	}
	w.line = slices.Delete(w.line, i, i+1)
	if i == 0 {
		w.free = w.now
		w.tell()
	}
}

// tell sends the first in line word that it holds, and again each half of a TTL, which is when etcdlock looks again.
func (w *world) tell() {
	if len(w.line) == 0 {
		return
	}
	p := w.line[0]
	w.send(func() { p.m.act(p.epoch, func() { p.m.hold(p) }) })
	w.after(w.TTL/2, func() {
		if len(w.line) > 0 && w.line[0] == p && !(p.m.works && p.m.epoch == p.epoch) {
			w.tell()
		}
	})
}

// hold works under the lock: an act, and another, until it is done or Lost.
func (m *machine) hold(p *place) {
	w := m.w
	if m.works || m.clock() >= m.until {
		return
	}
	m.works = true
	w.Grants++
	w.Idle += w.now - w.free
	done := m.clock() + w.mean(w.Hold)
	var work func()
	work = func() {
		if m.clock() >= m.until {
			m.again()
			return
		}
		if len(w.line) == 0 || w.line[0] != p {
			w.Overlap++
		}
		if m.clock() >= done {
			w.send(func() { w.remove(p) })
			m.again()
			return
		}
		// Between the look and the act the machine may pause, and the act is on its way: nothing but the fence helps.
		m.after(0, func() {
			answered := false
			next := func() {
				if !answered {
					answered = true
					m.after(w.mean(w.Hold/4), work)
				}
			}
			w.send(func() {
				w.take(p.token)
				w.send(func() { m.act(p.epoch, next) })
			})
			m.after(w.TTL/4, next) // no answer
		})
	}
	work()
}

// take is the resource.
func (w *world) take(token int) {
	if token < w.fence {
		if !w.Unfenced {
			w.Refused++
			return
		}
		w.Disorder++
	}
	w.fence = max(w.fence, token)
	w.Acts++
}
