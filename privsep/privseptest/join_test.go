package privseptest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
	"github.com/privhelper/privhelper/privsep/daemon"
	"github.com/privhelper/privhelper/privsep/privseptest"
)

var (
	jobs    = privsep.NewContext("jobs")
	add     = privsep.NewEntrypoint[[2]int, int](jobs, "add")
	fail    = privsep.NewEntrypoint[string, privsep.Void](jobs, "fail")
	swap    = privsep.NewEntrypoint[privsep.File, privsep.File](jobs, "swap")
	keep    = privsep.NewEntrypoint[privsep.File, privsep.Void](jobs, "keep")
	hold    = privsep.NewEntrypoint[string, privsep.Void](jobs, "hold")
	nested  = privsep.NewEntrypoint[privsep.File, int](jobs, "nested")
	logs    = privsep.NewEntrypoint[string, privsep.Void](jobs, "logs")
	closed  = privsep.NewEntrypoint[privsep.Void, privsep.File](jobs, "closed")
	errGone = jobs.NewError("gone", "it is gone")

	other = privsep.NewContext("other")
	alien = privsep.NewEntrypoint[privsep.Void, privsep.Void](other, "alien")
)

// world is a daemon with handlers that do what the tests ask, and what they show.
type world struct {
	d       *daemon.Daemon
	arg     chan *os.File // what swap and keep got
	entered chan string   // hold has begun
	release chan struct{} // lets "deaf" handlers return
	ran     sync.Map      // arguments of hold
}

func newWorld(opt daemon.Options) *world {
	w := &world{arg: make(chan *os.File, 8), entered: make(chan string, 1024), release: make(chan struct{})}
	opt.Context = jobs
	d := daemon.New(opt)
	w.d = d
	daemon.Handle(d, add, func(_ context.Context, n [2]int) (int, error) { return n[0] + n[1], nil })
	daemon.Handle(d, fail, func(_ context.Context, how string) (privsep.Void, error) {
		switch how {
		case "errno":
			return privsep.Void{}, &fs.PathError{Op: "open", Path: "/x", Err: syscall.ENOSPC}
		case "declared":
			return privsep.Void{}, fmt.Errorf("looked for it: %w", errGone)
		case "ctx":
			return privsep.Void{}, context.DeadlineExceeded
		case "panic":
			panic("out of cheese")
		case "goexit":
			runtime.Goexit()
		case "long":
			return privsep.Void{}, errors.New(strings.Repeat("ä", 20<<20))
		case "code":
			return privsep.Void{}, &privsep.CallError{Code: privsep.Code(strings.Repeat("x", 1000))}
		}
		return privsep.Void{}, errors.New(how)
	})
	daemon.Handle(d, swap, func(_ context.Context, f privsep.File) (privsep.File, error) {
		w.arg <- f.File
		r, err := os.Open("/dev/zero")
		return privsep.File{File: r}, err
	})
	daemon.Handle(d, keep, func(ctx context.Context, f privsep.File) (privsep.Void, error) {
		w.arg <- daemon.Detach(ctx, f)
		return privsep.Void{}, nil
	})
	daemon.Handle(d, hold, func(ctx context.Context, how string) (privsep.Void, error) {
		w.ran.Store(how, true)
		w.entered <- how
		if strings.HasPrefix(how, "deaf") {
			<-w.release
			return privsep.Void{}, nil
		}
		<-ctx.Done()
		return privsep.Void{}, ctx.Err()
	})
	daemon.Handle(d, nested, func(ctx context.Context, f privsep.File) (int, error) {
		if _, err := keep.Call(ctx, daemon.Caller(ctx), f); err != nil {
			return 0, err
		}
		got, err := swap.Call(ctx, daemon.Caller(ctx), f)
		if err != nil {
			return 0, err
		}
		defer got.Close()
		return add.Call(ctx, daemon.Caller(ctx), [2]int{40, 2})
	})
	daemon.Handle(d, closed, func(context.Context, privsep.Void) (privsep.File, error) {
		f, err := os.Open("/dev/null")
		f.Close()
		return privsep.File{File: f}, err
	})
	daemon.Handle(d, logs, func(ctx context.Context, text string) (privsep.Void, error) {
		daemon.Log(ctx).With("a", 1).WithGroup("g").With("b", true).WithGroup("h").Warn(text, slog.Group("i", "c", time.Second), "d", text)
		return privsep.Void{}, nil
	})
	return w
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// settles waits for what goroutines that nobody can wait for do in a moment. The limit bounds a failure only.
func settles(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 5 s", what)
		}
	}
}

func TestCall(t *testing.T) {
	c := privseptest.Join(t, newWorld(daemon.Options{}).d, jobs)
	if sum, err := add.Call(t.Context(), c, [2]int{2, 3}); err != nil || sum != 5 {
		t.Errorf("2 + 3 = %d, %v", sum, err)
	}
	h := c.Helper()
	if h.Context != "jobs" || h.PID != os.Getpid() || len(h.Entrypoints) != 8 {
		t.Errorf("helper %+v", h)
	}
}

func TestErrorsCross(t *testing.T) {
	c := privseptest.Join(t, newWorld(daemon.Options{}).d, jobs)
	for _, test := range []struct {
		how  string
		is   error
		code privsep.Code
		text string
	}{
		{"errno", syscall.ENOSPC, privsep.CodeFailed, "open /x"},
		{"declared", errGone, "jobs.gone", "looked for it: it is gone"},
		{"ctx", context.DeadlineExceeded, privsep.CodeDeadline, ""},
		{"panic", privsep.CodePanicked, privsep.CodePanicked, "out of cheese"},
		{"goexit", privsep.CodePanicked, privsep.CodePanicked, "Goexit"},
		{"long", privsep.CodeFailed, privsep.CodeFailed, "ää"},
		{"code", privsep.CodeFailed, privsep.CodeFailed, "cannot travel"},
		{"plain words", privsep.CodeFailed, privsep.CodeFailed, "jobs.fail: plain words"},
	} {
		t.Run(test.how, func(t *testing.T) {
			_, err := fail.Call(t.Context(), c, test.how)
			var call *privsep.CallError
			if !errors.As(err, &call) || call.Code != test.code || call.Outcome != privsep.Answered {
				t.Fatalf("%.200v", err)
			}
			if !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("%.200v: is not %v", err, test.is)
			}
		})
	}
	if _, err := closed.Call(t.Context(), c, privsep.Void{}); !errors.Is(err, privsep.CodeFailed) {
		t.Errorf("a reply whose file is closed: %v", err)
	}
	if _, err := alien.Call(t.Context(), c, privsep.Void{}); !errors.Is(err, privsep.CodeNoEntrypoint) {
		t.Errorf("unknown entrypoint: %v", err)
	}
	if _, err := add.Call(t.Context(), c, [2]int{1, 1}); err != nil {
		t.Errorf("a call after them: %v", err)
	}
}

func TestFiles(t *testing.T) {
	w := newWorld(daemon.Options{})
	c := privseptest.Join(t, w.d, jobs)
	mine, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	before := descriptors(t)
	reply, err := swap.Call(t.Context(), c, privsep.File{File: mine})
	if err != nil {
		t.Fatal(err)
	}
	if b := make([]byte, 1); reply.File == nil {
		t.Error("no file came back")
	} else if _, err := reply.Read(b); err != nil {
		t.Errorf("the file that came back: %v", err)
	}
	reply.Close()
	got := <-w.arg
	settles(t, "an argument is closed", func() bool { _, err := got.Stat(); return errors.Is(err, fs.ErrClosed) })
	if _, err := mine.Stat(); err != nil {
		t.Errorf("the caller's file: %v", err)
	}
	if _, err := keep.Call(t.Context(), c, privsep.File{File: mine}); err != nil {
		t.Fatal(err)
	}
	kept := <-w.arg
	if n, err := nested.Call(t.Context(), c, privsep.File{File: mine}); err != nil || n != 42 {
		t.Errorf("nested: %d, %v", n, err)
	}
	keptInPlace := <-w.arg
	<-w.arg
	for _, f := range []*os.File{kept, keptInPlace} {
		if _, err := f.Stat(); err != nil {
			t.Errorf("a detached file: %v", err)
		}
		f.Close()
	}
	closed, _ := os.Open("/dev/null")
	closed.Close()
	var call *privsep.CallError
	if _, err := swap.Call(t.Context(), c, privsep.File{File: closed}); !errors.As(err, &call) || call.Outcome != privsep.NotSent {
		t.Errorf("a closed file: %v", err)
	}
	settles(t, "descriptors are as before", func() bool { return descriptors(t) == before })
}

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

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}
func (s *syncBuffer) String() string { s.mu.Lock(); defer s.mu.Unlock(); return s.b.String() }

func TestLogsArrive(t *testing.T) {
	out := &syncBuffer{}
	logger := slog.New(slog.NewTextHandler(out, nil))
	c := privseptest.JoinConfig(t, newWorld(daemon.Options{}).d, client.Config{Contexts: []*privsep.Context{jobs}, Logger: logger})
	for _, text := range []string{"hello", strings.Repeat("ä", 40<<10), "\xff\xfe"} {
		if _, err := logs.Call(t.Context(), c, text[:min(len(text), 70000)]); err != nil {
			t.Fatal(err)
		}
	}
	settles(t, "three records", func() bool { return strings.Count(out.String(), "\n") == 3 })
	first, _, _ := strings.Cut(out.String(), "\n")
	for _, want := range []string{"level=WARN", "msg=hello", "a=1", "g.b=true", "g.h.i.c=1s", "g.h.d=hello"} {
		if !strings.Contains(first, want) {
			t.Errorf("%s is missing in %s", want, first)
		}
	}
}

// TestManyCalls: 10,000 calls of 64 goroutines leave nothing behind.
func TestManyCalls(t *testing.T) {
	w := newWorld(daemon.Options{})
	c := privseptest.Join(t, w.d, jobs)
	null, _ := os.Open("/dev/null")
	defer null.Close()
	go func() {
		for {
			select {
			case <-w.arg:
			case <-t.Context().Done():
				return
			}
		}
	}()
	run := func(n int) {
		var group sync.WaitGroup
		for range 64 {
			group.Go(func() {
				for i := range n / 64 {
					if i%16 == 0 {
						f, err := swap.Call(t.Context(), c, privsep.File{File: null})
						if err != nil {
							t.Error(err)
							return
						}
						f.Close()
					} else if _, err := add.Call(t.Context(), c, [2]int{i, 1}); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		group.Wait()
	}
	run(1024)
	files, routines := descriptors(t), runtime.NumGoroutine()
	run(9024)
	settles(t, "descriptors and goroutines are as before", func() bool {
		return descriptors(t) <= files && runtime.NumGoroutine() <= routines
	})
}
