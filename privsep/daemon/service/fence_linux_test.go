package service_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
	"github.com/privhelper/privhelper/privsep/daemon"
)

// act is what a worker did under a fence, and when, by a clock that all processes have.
type act struct {
	PID                 int
	Token, Began, Ended int64
}

func doFenced(ctx context.Context, _ struct{}) (act, error) {
	a := act{PID: os.Getpid(), Token: daemon.Token(ctx), Began: monotonic()}
	time.Sleep(time.Duration(rand.IntN(500)) * time.Microsecond)
	a.Ended = monotonic()
	return a, nil
}

func monotonic() int64 {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return t.Nano()
}

// All workers have one fence: of any two acts, in whichever, that of the smaller token has ended when the other begins, and
// what one has seen another refuses, also one that is made under another configuration.
func TestFenceOfWorkers(t *testing.T) {
	r := start(t, "snapshot one")
	under := func(c *client.Client, token int64) (act, error) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		return fenced.Call(ctx, privsep.WithToken(c, token), struct{}{})
	}
	var mu sync.Mutex
	var acts []act
	var greatest atomic.Int64
	var wg sync.WaitGroup
	clients := []*client.Client{r.mustDial(), r.mustDial()}
	for _, c := range clients {
		for range 4 {
			wg.Go(func() {
				for range 50 {
					token := greatest.Load() + rand.Int64N(3) // some are late by the time that they come
					a, err := under(c, max(token, 1))
					for seen := greatest.Load(); token > seen && !greatest.CompareAndSwap(seen, token); seen = greatest.Load() {
					}
					if err != nil {
						if !errors.Is(err, privsep.CodeFenced) {
							t.Error(err)
						}
						continue
					}
					mu.Lock()
					acts = append(acts, a)
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	slices.SortFunc(acts, func(a, b act) int { return cmp.Compare(a.Began, b.Began) })
	by := map[int]int{}
	for i, a := range acts {
		by[a.PID]++
		for _, b := range acts[i+1:] {
			if a.Token > b.Token || a.Token < b.Token && a.Ended > b.Began {
				t.Fatalf("%+v and %+v", a, b)
			}
		}
	}
	t.Logf("acts by worker: %v, greatest token %d", by, greatest.Load())
	if len(by) != 2 || len(acts) < 20 {
		t.Errorf("%d acts by %d workers show nothing", len(acts), len(by))
	}

	top := greatest.Load() + 10
	if _, err := under(clients[0], top); err != nil {
		t.Fatal(err)
	}
	r.configure("snapshot two")
	r.signal(syscall.SIGHUP)
	r.note("RELOADING=1")
	r.note("READY=1")
	for i, c := range []*client.Client{clients[1], r.mustDial()} {
		if _, err := under(c, top-1); !errors.Is(err, privsep.CodeFenced) {
			t.Errorf("worker %d lets an older token act: %v", i, err)
		}
		if a, err := under(c, top); err != nil || a.Token != top {
			t.Errorf("worker %d: %+v, %v", i, a, err)
		}
	}
	if text, err := os.ReadFile(fencesBeside(r.config) + "/volume"); err != nil || string(text) != fmt.Sprintln(top) {
		t.Errorf("%q, %v", text, err)
	}
}
