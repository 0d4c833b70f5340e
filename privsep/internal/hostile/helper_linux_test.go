package hostile

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/daemon"
)

var (
	target = privsep.NewContext("target")
	add    = privsep.NewEntrypoint[[2]int, int](target, "add")
	look   = privsep.NewEntrypoint[privsep.Void, looks](target, "look")
	echo   = privsep.NewEntrypoint[[]byte, []byte](target, "echo")
	words  = privsep.NewEntrypoint[map[string]int, int](target, "words")

	// These hold on to their arguments until their context ends.
	hold  = privsep.NewEntrypoint[[]int, privsep.Void](target, "hold")
	large = privsep.NewEntrypoint[[]kilobyte, privsep.Void](target, "large")
	files = privsep.NewEntrypoint[[]privsep.File, privsep.Void](target, "files")

	// These have no end.
	endless = privsep.NewEntrypoint[privsep.Void, []byte](target, "endless")
	chatter = privsep.NewEntrypoint[string, privsep.Void](target, "chatter")
)

// kilobyte stands on the wire as one byte, an empty map.
type kilobyte struct{ Bytes [1024]byte }

// looks are what a helper says of itself: its descriptors cannot be counted from outside without root.
type looks struct{ Files, Routines int }

// helper is a whole root helper, with no option set.
func helper([]string) error {
	d := daemon.New(daemon.Options{Context: target})
	daemon.Handle(d, add, func(_ context.Context, n [2]int) (int, error) { return n[0] + n[1], nil })
	daemon.Handle(d, look, func(context.Context, privsep.Void) (looks, error) {
		open, err := os.ReadDir("/proc/self/fd")
		return looks{len(open), runtime.NumGoroutine()}, err
	})
	daemon.Handle(d, echo, func(_ context.Context, b []byte) ([]byte, error) { return b, nil })
	daemon.Handle(d, words, func(_ context.Context, m map[string]int) (int, error) { return len(m), nil })
	daemon.Handle(d, hold, keep[[]int])
	daemon.Handle(d, large, keep[[]kilobyte])
	daemon.Handle(d, files, keep[[]privsep.File])
	daemon.Handle(d, endless, func(context.Context, privsep.Void) ([]byte, error) { return make([]byte, 32<<10), nil })
	daemon.Handle(d, chatter, func(ctx context.Context, text string) (privsep.Void, error) {
		for ctx.Err() == nil {
			daemon.Log(ctx).Info(text, "text", text)
		}
		return privsep.Void{}, ctx.Err()
	})
	d.Main()
	return nil
}

func keep[T any](ctx context.Context, v T) (privsep.Void, error) {
	<-ctx.Done()
	runtime.KeepAlive(v)
	return privsep.Void{}, ctx.Err()
}

// memory reads one line of a process's status, in kilobytes.
func memory(pid int, line string) (kb int, err error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if value, found := strings.CutPrefix(s.Text(), line+":"); found {
			_, err := fmt.Sscanf(value, "%d kB", &kb)
			return kb, err
		}
	}
	return 0, fmt.Errorf("process %d has no %s: it has ended", pid, line)
}
