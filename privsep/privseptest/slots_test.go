package privseptest_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
	"github.com/privhelper/privhelper/privsep/daemon"
	"github.com/privhelper/privhelper/privsep/privseptest"
)

func TestCallerInPlaceTakesNoSlot(t *testing.T) {
	c := privseptest.Join(t, newWorld(daemon.Options{Slots: 1, Queue: 1}).d, jobs)
	null, _ := os.Open("/dev/null")
	defer null.Close()
	if n, err := nested.Call(t.Context(), c, privsep.File{File: null}); err != nil || n != 42 {
		t.Errorf("%d, %v", n, err)
	}
}

func TestHandlerOutlivesItsDeadline(t *testing.T) {
	w := newWorld(daemon.Options{Slots: 2, Grace: time.Millisecond})
	c := privseptest.Join(t, w.d, jobs)
	// Many times more than there are slots: one that returns late gives its slot back, and is stuck no more.
	for i := range 6 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, err := hold.Call(ctx, c, "deaf")
		cancel()
		var call *privsep.CallError
		if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &call) || call.Outcome != privsep.Answered {
			t.Fatalf("call %d: %v", i, err)
		}
		w.release <- struct{}{}
		if _, err := add.Call(t.Context(), c, [2]int{1, 1}); err != nil {
			t.Fatalf("after call %d: %v", i, err)
		}
	}
}

func TestAllSlotsStuckEndsTheHelper(t *testing.T) {
	w := newWorld(daemon.Options{Slots: 2, Grace: time.Millisecond})
	theirs, ours, err := pair(t)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- w.d.Serve(t.Context(), theirs) }()
	c, err := client.Start(t.Context(), client.Config{Launcher: &client.Socket{File: ours}, Contexts: []*privsep.Context{jobs}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-w.entered; cancel() }()
		if _, err := hold.Call(ctx, c, "deaf"); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	if err := <-served; err == nil || !strings.Contains(err.Error(), "every slot") {
		t.Errorf("the helper ended with %v", err)
	}
	close(w.release)
	_, err = add.Call(t.Context(), c, [2]int{1, 1})
	var call *privsep.CallError
	if !errors.As(err, &call) || call.Outcome != privsep.NotSent {
		t.Errorf("a call afterwards: %v", err)
	}
}

func TestQueue(t *testing.T) {
	w := newWorld(daemon.Options{Slots: 1, Queue: 1})
	c := privseptest.Join(t, w.d, jobs)
	type end struct {
		how string
		err error
	}
	ends := make(chan end, 4)
	call := func(how string) context.CancelFunc {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			_, err := hold.Call(ctx, c, how)
			ends <- end{how, err}
		}()
		return cancel
	}
	stopRunning := call("running")
	<-w.entered
	stopOne, stopTwo := call("one"), call("two") // one of them waits, the other finds the queue full
	busy := <-ends
	if !errors.Is(busy.err, privsep.CodeBusy) {
		t.Fatalf("above the queue: %v", busy.err)
	}
	waiting := map[string]string{"one": "two", "two": "one"}[busy.how]
	stopOne()
	stopTwo()
	if e := <-ends; e.how != waiting || !errors.Is(e.err, context.Canceled) {
		t.Errorf("cancelled while it waited: %+v", e)
	}
	stopRunning()
	if e := <-ends; e.how != "running" || !errors.Is(e.err, context.Canceled) {
		t.Errorf("cancelled while it ran: %+v", e)
	}
	if _, ran := w.ran.Load(waiting); ran {
		t.Error("what was cancelled in the queue ran")
	}
	if _, err := add.Call(t.Context(), c, [2]int{1, 1}); err != nil {
		t.Error(err)
	}
}
