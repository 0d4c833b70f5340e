package privseptest_test

import (
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
	"github.com/privhelper/privhelper/privsep/daemon"
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
