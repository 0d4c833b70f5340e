package etcdlock_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/lockutils/etcdlock"
)

var schedules = flag.Int("schedules", 8, "random schedules of failures that TestSchedules checks")

// clock is one for all processes of the machine, in nanoseconds.
func clock() int64 {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return t.Nano()
}

// deed is one thing that a contender did.
type deed struct {
	kind  string // lock: granted; free: given back or lost; act: done at the fence
	token int64
	ok    bool // the fence let an act pass
	sure  bool // after the act, the lock was still not lost: all of the act was within the lease
}

// lockModel is what a lock with a fence may do, one deed after the other.
var lockModel = porcupine.Model{
	Init: func() any { return [3]int64{} }, // who holds, the last token granted, the greatest that the fence saw
	Step: func(state, input, _ any) (bool, any) {
		s, d := state.([3]int64), input.(deed)
		holds, last, fence := s[0], s[1], s[2]
		switch d.kind {
		case "lock":
			return holds == 0 && d.token > last, [3]int64{d.token, d.token, fence}
		case "free":
			if holds == d.token {
				holds = 0
			}
			return true, [3]int64{holds, last, fence}
		default:
			legal := d.ok == (d.token >= fence) && (!d.sure || holds == d.token)
			return legal, [3]int64{holds, last, max(fence, d.token)}
		}
	},
}

// The model must refuse what must not be, or the test below shows nothing.
func TestLockModel(t *testing.T) {
	op := func(call, ret int64, d deed) porcupine.Operation {
		return porcupine.Operation{Input: d, Call: call, Return: ret}
	}
	grants := []porcupine.Operation{op(0, 10, deed{kind: "lock", token: 1}), op(11, math.MaxInt64, deed{kind: "free", token: 1}), op(20, 30, deed{kind: "lock", token: 2})}
	for name, c := range map[string]struct {
		more []porcupine.Operation
		want bool
	}{
		"lost in between":               {nil, true},
		"a late act that is refused":    {[]porcupine.Operation{op(40, 41, deed{kind: "act", token: 2, ok: true, sure: true}), op(50, 51, deed{kind: "act", token: 1})}, true},
		"a late act that passes":        {[]porcupine.Operation{op(40, 41, deed{kind: "act", token: 2, ok: true, sure: true}), op(50, 51, deed{kind: "act", token: 1, ok: true})}, false},
		"the old holder believes still": {[]porcupine.Operation{op(50, 51, deed{kind: "act", token: 1, ok: true, sure: true})}, false},
		"a token that falls":            {[]porcupine.Operation{op(31, 32, deed{kind: "free", token: 2}), op(40, 50, deed{kind: "lock", token: 1})}, false},
		"two hold":                      {[]porcupine.Operation{op(40, 50, deed{kind: "lock", token: 3})}, false},
	} {
		if got := porcupine.CheckOperations(lockModel, append(grants[:3:3], c.more...)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// contendChild takes a lock again and again, acts at the fence that its parent is, and tells what it did and when.
func contendChild(args []string) error {
	l, err := etcdlock.Open(context.Background(), args[0], etcdlock.Options{})
	if err != nil {
		return err
	}
	in := bufio.NewReader(os.Stdin)
	for {
		call := clock()
		held, err := l.Lock(context.Background(), args[1])
		if err != nil {
			return err
		}
		granted := clock()
		fmt.Println("lock", call, granted, held.Token(), false, false)
		lost := false
		for range 1 + rand.IntN(5) {
			select {
			case <-held.Lost():
				lost = true
			default:
			}
			call := clock()
			fmt.Println("ask", 0, 0, held.Token(), false, false)
			var ok bool
			if _, err := fmt.Fscanln(in, &ok); err != nil {
				return nil
			}
			ret := clock()
			if !lost {
				select {
				case <-held.Lost():
					lost = true
				default:
				}
			}
			fmt.Println("act", call, ret, held.Token(), ok, !lost)
			if lost { // one act more than allowed: the fence has to refuse it if the next is in
				break
			}
			time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
		}
		call = clock()
		if held.Unlock() != nil { // not known whether and when: at any time from the grant on
			fmt.Println("free", granted, int64(math.MaxInt64), held.Token(), false, false)
			continue
		}
		fmt.Println("free", call, clock(), held.Token(), false, false)
	}
}

// history is what happened to one lock, and the fence that its holders act at.
type history struct {
	mu    sync.Mutex
	ops   []porcupine.Operation
	fence int64
}

func (h *history) act(token int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	ok := token >= h.fence
	h.fence = max(h.fence, token)
	return ok
}

// contend starts a contender and writes down what it tells, until it ends.
func (h *history) contend(t *testing.T, c *cluster, lock string, client int) (end func(), stop func(time.Duration)) {
	cmd := testenv.Child(t, "contend", c.url("/f?ttl=2s"), lock)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var holding, since int64       // the lock of which no end was told
		var asked *porcupine.Operation // the act of which no end was told: the fence has seen it all the same
		for {
			var op porcupine.Operation
			var d deed
			if _, err := fmt.Fscanln(out, &d.kind, &op.Call, &op.Return, &d.token, &d.ok, &d.sure); err != nil {
				break
			}
			switch d.kind {
			case "ask":
				call := clock()
				d.kind, d.ok = "act", h.act(d.token)
				asked = &porcupine.Operation{ClientId: client, Input: d, Call: call, Return: math.MaxInt64}
				fmt.Fprintln(in, d.ok)
				continue
			case "act":
				asked = nil
			case "lock":
				holding, since = d.token, op.Return
			case "free":
				holding = 0
			}
			op.ClientId, op.Input = client, d
			h.mu.Lock()
			h.ops = append(h.ops, op)
			h.mu.Unlock()
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if asked != nil {
			h.ops = append(h.ops, *asked)
		}
		if holding != 0 {
			h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: deed{kind: "free", token: holding}, Call: since, Return: math.MaxInt64})
		}
	}()
	return func() {
			cmd.Process.Kill()
			<-done
			cmd.Wait()
		}, func(d time.Duration) {
			cmd.Process.Signal(syscall.SIGSTOP)
			time.Sleep(d)
			cmd.Process.Signal(syscall.SIGCONT)
		}
}

// check judges a history whose contenders have ended, and counts the late acts that the fence refused.
func (h *history) check(t *testing.T, name string) (late int) {
	t.Helper()
	switch porcupine.CheckOperationsTimeout(lockModel, h.ops, time.Minute) {
	case porcupine.Illegal:
		t.Errorf("%s: two held, or the fence let a late one pass; %d deeds", name, len(h.ops))
		for _, op := range h.ops {
			t.Logf("%d %d %d %+v", op.ClientId, op.Call, op.Return, op.Input)
		}
	case porcupine.Unknown:
		t.Errorf("%s: not decided within a minute; %d deeds", name, len(h.ops))
	}
	for _, op := range h.ops {
		if d := op.Input.(deed); d.kind == "act" && !d.ok {
			late++
		}
	}
	return late
}

// waitGrant waits until somebody is granted the lock, from now on.
func (h *history) waitGrant(t *testing.T, name string) {
	t.Helper()
	began := clock()
	granted := func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return slices.ContainsFunc(h.ops, func(op porcupine.Operation) bool {
			return op.Input.(deed).kind == "lock" && op.Return > began
		})
	}
	for !granted() {
		if clock()-began > int64(time.Minute) {
			t.Fatalf("%s: not granted within a minute", name)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// disturb makes members and holders fail at random for a while.
func disturb(c *cluster, random *rand.Rand, stops []func(time.Duration), until time.Time) {
	for time.Now().Before(until) {
		m := c.members[random.IntN(len(c.members))]
		pause := time.Duration(random.IntN(2000)) * time.Millisecond
		switch random.IntN(6) {
		case 0: // a member, perhaps the leader, hangs
			c.signal(m, syscall.SIGSTOP)
			time.Sleep(pause)
			c.signal(m, syscall.SIGCONT)
		case 1: // the majority hangs
			others := []*member{m, c.members[(random.IntN(2)+1+index(c, m))%len(c.members)]}
			for _, o := range others {
				c.signal(o, syscall.SIGSTOP)
			}
			time.Sleep(pause)
			for _, o := range others {
				c.signal(o, syscall.SIGCONT)
			}
		case 2: // a member dies and comes back
			c.signal(m, syscall.SIGKILL)
			m.cmd.Wait()
			time.Sleep(pause / 4)
			c.start(m)
		default: // holders hang, for less and more than a lease
			var wg sync.WaitGroup
			for _, stop := range stops {
				if random.IntN(3) == 0 {
					wg.Go(func() { stop(pause * 2) })
				}
			}
			wg.Wait()
		}
		time.Sleep(time.Duration(random.IntN(500)) * time.Millisecond)
	}
}

func index(c *cluster, m *member) int {
	for i := range c.members {
		if c.members[i] == m {
			return i
		}
	}
	panic("not a member")
}

// Random schedules of members that hang and die and of holders that stop: nobody acts within his lease while another
// holds, tokens rise, and what is done late is refused. Four locks are contended for at a time, each history a schedule.
func TestSchedules(t *testing.T) {
	const each, contenders = 4, 3
	c := startCluster(t, 3)
	c.open("/f").Close() // it is up
	deeds, late, done := 0, 0, 0
	for round := 0; done < *schedules; round++ {
		seed := uint64(time.Now().UnixNano())
		histories := make([]*history, each)
		var ends []func()
		var stops []func(time.Duration)
		for i := range histories {
			histories[i] = &history{}
			for client := range contenders {
				end, stop := histories[i].contend(t, c, fmt.Sprintf("%d.%d", round, i), client)
				ends, stops = append(ends, end), append(stops, stop)
			}
		}
		disturb(c, rand.New(rand.NewPCG(seed, 0)), stops, time.Now().Add(8*time.Second))
		for _, end := range ends {
			end()
		}
		for i, h := range histories {
			late += h.check(t, fmt.Sprintf("round %d, seed %d, lock %d", round, seed, i))
			deeds += len(h.ops)
			done++
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d schedules, %d deeds, %d late acts refused", done, deeds, late)
	if deeds < 10*done {
		t.Errorf("only %d deeds in %d schedules show nothing", deeds, done)
	}
}
