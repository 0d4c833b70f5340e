package etcdlock_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	schedules = flag.Int("schedules", 4, "random schedules of faults that TestSchedules checks")
	clusters  = flag.Int("clusters", 2, "clusters among which TestSchedules divides them")
	firstSeed = flag.Uint64("seed", 0, "the first schedule's seed, the next has the next; 0: one that is printed")
)

// schedule is faults one after the other, each of which is healed before the next. It is a function of its seed, but for
// who leads.
type schedule struct {
	seed   uint64
	faults []planned
}

type planned struct {
	kind    int
	members []int         // all, in a random order
	lock    int           // whose holder or contenders are meant
	lasts   time.Duration // until it is healed
	stop    time.Duration // how long the lock's holder stands still meanwhile; 0: it does not
	gap     time.Duration // until the next
}

func newSchedule(seed uint64, members int) schedule {
	random := rand.New(rand.NewPCG(seed, 0))
	upTo := func(d time.Duration) time.Duration { return time.Duration(random.Int64N(int64(d))) }
	s := schedule{seed: seed}
	for range 4 {
		p := planned{
			kind: random.IntN(len(faults)), members: random.Perm(members), lock: random.IntN(locksEach),
			lasts: 300*time.Millisecond + upTo(1700*time.Millisecond), gap: upTo(400 * time.Millisecond),
		}
		if random.IntN(4) == 0 { // what the fence is for is not one in twenty
			p.kind = slices.IndexFunc(faults, func(f fault) bool { return f.name == holderStopped })
		}
		switch {
		case faults[p.kind].name == holderStopped: // after which the next has been in for a while
			p.lasts, p.stop = 0, contendTTL*3/2+upTo(contendTTL)
		case random.IntN(3) == 0:
			p.stop = 2 * p.lasts
		}
		s.faults = append(s.faults, p)
	}
	return s
}

func (s schedule) String() string {
	var all []string
	for _, p := range s.faults {
		text := faults[p.kind].name
		if p.lasts > 0 {
			text += fmt.Sprintf(" %v for %.1f s", p.members, p.lasts.Seconds())
		}
		if p.stop > 0 {
			text += fmt.Sprintf(", holder of %d stopped for %.1f s", p.lock, p.stop.Seconds())
		}
		all = append(all, text)
	}
	return fmt.Sprintf("seed %d (%s)", s.seed, strings.Join(all, "; "))
}

// tried is what schedules came to, of all clusters together.
type tried struct {
	mu     sync.Mutex
	done   int
	tally  tally
	faults map[string]int
}

func (a *tried) add(s schedule, sum tally) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done++
	a.tally = a.tally.plus(sum)
	for _, p := range s.faults {
		a.faults[faults[p.kind].name]++
		if p.stop > 0 && p.lasts > 0 {
			a.faults["with it a holder stopped"]++
		}
	}
}

func (a *tried) String() string {
	text := fmt.Sprintf("%d schedules, %v; faults:", a.done, a.tally)
	for _, name := range slices.Sorted(maps.Keys(a.faults)) {
		text += fmt.Sprintf(" %s %d,", name, a.faults[name])
	}
	return strings.TrimSuffix(text, ",")
}

// Random schedules of everything that can fail, drawn from one hat (faults): nobody acts within his lease while another
// holds, tokens rise, what is done late is refused, and when all is healed each lock is had again. A schedule that failed is
// run again by its seed: go test -run TestSchedules -schedules 1 -seed N.
func TestSchedules(t *testing.T) {
	if !apart(t) {
		return
	}
	first := *firstSeed
	if first == 0 {
		first = uint64(time.Now().UnixNano())
	}
	all := &tried{faults: map[string]int{}}
	var next atomic.Int64
	var running sync.WaitGroup
	for i := range min(*clusters, *schedules) {
		running.Go(func() { // not t.Parallel, which counts processors: a schedule is waiting for the most part
			t.Run(fmt.Sprint("cluster", i), func(t *testing.T) {
				n := startNetwork(t, i, 3)
				c := startClusterAt(t, n.sites)
				c.open("/f").Close() // it is up
				for k := next.Add(1) - 1; k < int64(*schedules) && !t.Failed(); k = next.Add(1) - 1 {
					s := newSchedule(first+uint64(k), len(c.members))
					all.add(s, s.run(t, n, c))
				}
			})
		})
	}
	running.Wait()
	t.Logf("seeds from %d: %v", first, all)
	if all.tally.deeds < 10*all.tally.histories {
		t.Error("so few deeds show nothing")
	}
}

// locksEach and contendersEach are how many locks there are in a schedule, and contenders for each.
const locksEach, contendersEach = 3, 3

// run has locks contended for while everything fails as planned, and judges what happened.
func (s schedule) run(t *testing.T, n *network, c *cluster) (sum tally) {
	w := &scene{t: t, network: n, cluster: c}
	for i := range w.histories {
		h := &history{lock: fmt.Sprintf("%d.%d", s.seed, i), fences: t.TempDir()}
		w.histories[i] = h
		for client := range contendersEach {
			w.contenders[i][client] = h.contend(t, c, client)
		}
	}
	for _, h := range w.histories {
		h.waitGrant(t, fmt.Sprintf("%v, before it", s))
	}
	for _, p := range s.faults {
		w.suffer(p)
	}
	for _, h := range w.histories {
		h.waitGrant(t, fmt.Sprintf("%v, healed", s))
	}
	for _, each := range w.contenders {
		for _, k := range each {
			k.end()
		}
	}
	for _, h := range w.histories {
		sum = sum.plus(h.check(t, s.String()))
	}
	t.Logf("%v: %v", s, sum)
	return sum
}
