package etcdlock_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/internal/trust"
	"github.com/privhelper/privhelper/privsep/daemon/fence"
)

// clock is one for all processes of the machine, in nanoseconds.
func clock() int64 {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return t.Nano()
}

// deed is one thing that a contender did.
type deed struct {
	kind  string // lock: granted; look: its Lost was not closed; act: done at the fence; free: given back or lost
	token int64
	ok    bool // of an act: the fence let it pass
	again bool // of a release: the cluster had carried it out, its answer was lost, and it was sent again
}

// lockModel is what a lock with a fence may do, one deed after the other. Who sees that his lock is not lost holds it: nobody
// else does, and what he acted before that was within his lease.
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
		case "look":
			return holds == d.token, s
		default:
			return d.ok == (d.token >= fence), [3]int64{holds, last, max(fence, d.token)}
		}
	},
}

// The model must refuse what must not be, or the tests that use it show nothing.
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
		"a late act that is refused":    {[]porcupine.Operation{op(40, 41, deed{kind: "act", token: 2, ok: true}), op(50, 51, deed{kind: "act", token: 1})}, true},
		"a late act that passes":        {[]porcupine.Operation{op(40, 41, deed{kind: "act", token: 2, ok: true}), op(50, 51, deed{kind: "act", token: 1, ok: true})}, false},
		"the holder is refused":         {[]porcupine.Operation{op(40, 41, deed{kind: "act", token: 2})}, false},
		"the holder looks":              {[]porcupine.Operation{op(50, 51, deed{kind: "look", token: 2})}, true},
		"the old holder believes still": {[]porcupine.Operation{op(50, 51, deed{kind: "look", token: 1})}, false},
		"a token that falls":            {[]porcupine.Operation{op(31, 32, deed{kind: "free", token: 2}), op(40, 50, deed{kind: "lock", token: 1})}, false},
		"two hold":                      {[]porcupine.Operation{op(40, 50, deed{kind: "lock", token: 3})}, false},
	} {
		if got := porcupine.CheckOperations(lockModel, append(grants[:3:3], c.more...)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// history is what happened to one lock, and where its fence is.
type history struct {
	lock   string
	fences string // the folder

	mu  sync.Mutex
	ops []porcupine.Operation
}

// holder is the contender that was granted the lock last, as far as is told; 0 before the first.
func (h *history) holder() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, op := range slices.Backward(h.ops) {
		if op.Input.(deed).kind == "lock" {
			return op.ClientId
		}
	}
	return 0
}

func (h *history) add(client int, call, ret int64, d deed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: d, Call: call, Return: ret})
}

// contender is a process that contends for the lock of a history.
type contender struct {
	process *os.Process
	end     func() // kills it, and returns when all that it told is written down
}

// contend starts a contender and writes down what it tells, until it ends. It acts at the fence of a root helper, as each
// machine has one of its own for all its processes: here by fences that are opened for it alone.
func (h *history) contend(t *testing.T, c *cluster, client int) *contender {
	t.Helper()
	fences, err := fence.Open(fence.Options{Path: h.fences, Names: []string{h.lock}, Rules: trust.Rules{Untrusted: true}})
	if err != nil {
		t.Fatal(err)
	}
	cmd := testenv.Child(t, "contend", append([]string{h.lock}, c.endpoints()...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
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
		defer fences.Close()
		var holding, since int64 // the lock of which no end was told
		var asked func()         // writes down an act of which no end was told: the fence has seen it all the same
		for {
			var call, ret int64
			var d deed
			if _, err := fmt.Fscanln(out, &d.kind, &call, &ret, &d.token, &d.ok, &d.again); err != nil {
				break
			}
			switch d.kind {
			case "ask":
				call := clock()
				ok := enter(t, fences, h.lock, d.token)
				ret := clock()
				asked = func() { h.add(client, call, ret, deed{kind: "act", token: d.token, ok: ok}) }
				fmt.Fprintln(in, ok)
				continue
			case "act":
				asked = nil
			case "lock":
				holding, since = d.token, ret
			case "free":
				holding = 0
			}
			h.add(client, call, ret, d)
		}
		if asked != nil {
			asked()
		}
		if holding != 0 {
			h.add(client, since, math.MaxInt64, deed{kind: "free", token: holding})
		}
	}()
	end := sync.OnceFunc(func() {
		cmd.Process.Kill()
		<-done
		cmd.Wait()
	})
	t.Cleanup(end)
	return &contender{process: cmd.Process, end: end}
}

// enter acts at a fence, which passes it or refuses it for its token and for nothing else.
func enter(t *testing.T, fences *fence.Fences, name string, token int64) bool {
	pass, err := fences.Enter(context.Background(), name, token)
	var refused *fence.Error
	switch {
	case err == nil:
		if err := pass.Leave(); err != nil {
			t.Error(err)
		}
		return true
	case !errors.As(err, &refused) || refused.Seen == 0:
		t.Error(err)
	}
	return false
}

// stop stops a contender for a while.
func (k *contender) stop(d time.Duration) {
	k.process.Signal(syscall.SIGSTOP)
	time.Sleep(d)
	k.process.Signal(syscall.SIGCONT)
}

// tally is what histories had of what they are to show.
type tally struct{ histories, deeds, left, late, again int }

func (a tally) plus(b tally) tally {
	return tally{a.histories + b.histories, a.deeds + b.deeds, a.left + b.left, a.late + b.late, a.again + b.again}
}

func (a tally) String() string {
	return fmt.Sprintf("%d histories of %d deeds; %d locks lost or left by a holder that was killed, %d late acts refused, %d releases sent again after a lost answer",
		a.histories, a.deeds, a.left, a.late, a.again)
}

// check judges a history whose contenders have ended.
func (h *history) check(t *testing.T, name string) tally {
	t.Helper()
	switch porcupine.CheckOperationsTimeout(lockModel, h.ops, time.Minute) {
	case porcupine.Illegal:
		t.Errorf("%s, lock %s: two held, or the fence let a late one pass; %d deeds", name, h.lock, len(h.ops))
		for _, op := range h.ops {
			t.Logf("%d %d %d %+v", op.ClientId, op.Call, op.Return, op.Input)
		}
	case porcupine.Unknown:
		t.Errorf("%s, lock %s: not decided within a minute; %d deeds", name, h.lock, len(h.ops))
	}
	sum := tally{histories: 1, deeds: len(h.ops)}
	for _, op := range h.ops {
		switch d := op.Input.(deed); {
		case d.kind == "act" && !d.ok:
			sum.late++
		case d.kind == "free" && op.Return == math.MaxInt64:
			sum.left++
		case d.kind == "free" && d.again:
			sum.again++
		}
	}
	return sum
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
			t.Fatalf("%s: lock %s was not granted within a minute", name, h.lock)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
