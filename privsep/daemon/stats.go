package daemon

import (
	"cmp"
	"context"
	"os"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/internal/wire"
	"github.com/privhelper/privhelper/privsep/stats"
)

// A tally counts the calls that were answered.
type tally struct {
	mu    sync.Mutex
	calls map[outcomeOf]uint64
}

type outcomeOf struct {
	entrypoint string
	code       privsep.Code
}

func (t *tally) add(entrypoint string, code privsep.Code) {
	if code == privsep.CodeNoEntrypoint {
		entrypoint = "" // the client has as many names as it likes
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.calls == nil {
		t.calls = map[outcomeOf]uint64{}
	}
	t.calls[outcomeOf{entrypoint, code}]++
}

func (t *tally) list() []stats.Calls {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []stats.Calls
	for k, n := range t.calls {
		all = append(all, stats.Calls{Entrypoint: k.entrypoint, Outcome: outcome(k.code), Count: n})
	}
	sort.Slice(all, func(i, j int) bool {
		a, b := all[i], all[j]
		return cmp.Or(cmp.Compare(a.Entrypoint, b.Entrypoint), cmp.Compare(a.Outcome, b.Outcome)) < 0
	})
	return all
}

// ended takes note of a call that is about to be answered; the empty code says that it went well.
func (s *server) ended(c *call, code privsep.Code) {
	s.tally.add(c.handler.Name, code)
	s.audit.call(c.handler.Name, c.began(), code)
}

// began is when the call's handler was called; zero: it was not.
func (c *call) began() time.Time {
	if n := c.beganAt.Load(); n != 0 {
		return c.server.start.Add(time.Duration(n))
	}
	return time.Time{}
}

// stats is the handler of stats.Get, in place of the table's: it is called by who reads requests, and takes no slot.
func (d *Daemon) stats(ctx context.Context, _ struct{}) (stats.Stats, error) {
	return callOf(ctx).server.stats(), nil
}

func (s *server) stats() stats.Stats {
	d := s.daemon
	all := stats.Stats{PID: os.Getpid(), Policy: s.audit.policy, Uptime: time.Since(s.start), Slots: d.opt.Slots, Queue: d.opt.Queue,
		Calls: s.tally.list(), AuditLost: s.audit.to.Lost(), LogDropped: s.logs.lost.Load()}
	if d.opt.Context != nil {
		all.Context = d.opt.Context.Name()
	}
	if d.opt.Commands != nil {
		all.Rules, all.Decisions = d.opt.Commands.Decisions()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all.Running, all.Stuck, all.Waiting = s.taken, s.stuck, s.waiting.len
	all.HeldBytes, all.HeldFiles = s.held.bytes, s.held.files
	for c := range s.running {
		all.InFlight = append(all.InFlight, c.describe())
	}
	sort.Slice(all.InFlight, func(i, j int) bool { return all.InFlight[i].Age > all.InFlight[j].Age })
	return all
}

// describe is what one call does now. The server's lock is held.
func (c *call) describe() stats.Call {
	d := stats.Call{ID: c.id, Entrypoint: c.handler.Name, Stuck: c.stuck}
	if began := c.began(); !began.IsZero() {
		d.Age = time.Since(began)
	}
	if w := c.work.Load(); w != nil {
		d.Rule, d.PID, d.Locks, d.Locked = w.rule, w.pid, w.locks, w.locked
	}
	return d
}

// work is what a call's handler has said of its command.
type work struct {
	rule   string
	pid    int
	locks  []string
	locked bool
}

// Locks says, for Stats, which locks the call's command needs, and whether it holds them all by now or still waits for
// one. It is for handlers that run one.
func Locks(ctx context.Context, names []string, held bool) {
	if c := callOf(ctx); c != nil {
		c.say(func(w *work) { w.locks, w.locked = names, held })
	}
}

// say changes what is known of the call's command. One goroutine does: its handler's.
func (c *call) say(change func(*work)) {
	next := work{}
	if w := c.work.Load(); w != nil {
		next = *w
	}
	change(&next)
	c.work.Store(&next)
}

// tell answers stats.Get out of turn.
func (s *server) tell(c *call, h *privsep.Handler) {
	defer c.closeFiles()
	reply, _, err := h.Run(context.WithValue(s.ctx, callKey{}, c), c.args, slices.Clone(c.files))
	if err != nil {
		s.post(errorOf(c, err))
		return
	}
	s.post(wire.Return{ID: c.id, Reply: reply})
}
