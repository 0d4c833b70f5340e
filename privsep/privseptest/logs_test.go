package privseptest_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
	"github.com/privhelper/privhelper/privsep/daemon"
	"github.com/privhelper/privhelper/privsep/privseptest"
)

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

// handler is a slog.Handler that is a function. The tests' records carry no attributes that With would keep.
type handler func(slog.Record)

func (h handler) Enabled(context.Context, slog.Level) bool { return true }
func (h handler) Handle(_ context.Context, r slog.Record) error {
	h(r)
	return nil
}
func (h handler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h handler) WithGroup(string) slog.Handler      { return h }

// TestLoggerCallsItsClient: a Handle that waits for an answer of the client whose record it got, and one that closes it.
func TestLoggerCallsItsClient(t *testing.T) {
	var c *client.Client
	joined, sums := make(chan struct{}), make(chan int, 1)
	closed := make(chan error, 1)
	c = privseptest.JoinConfig(t, newWorld(daemon.Options{}).d, client.Config{Contexts: []*privsep.Context{jobs}, CancelWait: time.Millisecond,
		Logger: slog.New(handler(func(r slog.Record) {
			<-joined
			if r.Message == "close" {
				closed <- c.Close()
				return
			}
			sum, err := add.Call(t.Context(), c, [2]int{2, 3})
			if err != nil {
				t.Error(err)
			}
			sums <- sum
		}))})
	close(joined)
	for range 3 {
		if _, err := logs.Call(t.Context(), c, "x"); err != nil {
			t.Fatal(err)
		}
		if sum := <-sums; sum != 5 {
			t.Errorf("2 + 3 = %d", sum)
		}
	}
	if _, err := logs.Call(t.Context(), c, "close"); err != nil {
		t.Log(err) // it may be lost by what it asked for
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// TestSlowLogger: while Handle hangs, calls are answered, and each record is given or counted.
func TestSlowLogger(t *testing.T) {
	const records = 2000
	var mu sync.Mutex
	var given, dropped uint64
	hangs := make(chan struct{})
	c := privseptest.JoinConfig(t, newWorld(daemon.Options{}).d, client.Config{Contexts: []*privsep.Context{jobs},
		Logger: slog.New(handler(func(r slog.Record) {
			<-hangs
			mu.Lock()
			defer mu.Unlock()
			if r.Message == "x" {
				given++
			}
			r.Attrs(func(a slog.Attr) bool {
				if a.Key == "dropped" || a.Key == "dropped_before" { // by the client, by the helper
					dropped += a.Value.Uint64()
				}
				return true
			})
		}))})
	for range records {
		if _, err := logs.Call(t.Context(), c, "x"); err != nil {
			t.Fatal(err)
		}
	}
	close(hangs)
	settles(t, "every record is given or counted", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return given+dropped == records
	})
	if given == records || given < 256 {
		t.Errorf("%d of %d records were given: the queue is to be bounded, and to hold 256", given, records)
	}
}
