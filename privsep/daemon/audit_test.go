package daemon_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/daemon"
	"github.com/privhelper/privhelper/privsep/daemon/audit/sink"
	"github.com/privhelper/privhelper/privsep/privseptest"
	"github.com/privhelper/privhelper/privsep/stats"
)

var (
	work    = privsep.NewContext("work")
	do      = privsep.NewEntrypoint[string, string](work, "do")
	errWork = work.NewError("bad_day", "a bad day")
)

// book is an audit log in memory.
type book struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// lines are those written so far, as objects.
func (b *book) lines(t *testing.T) (all []map[string]any) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for line := range strings.Lines(b.String()) {
		var o map[string]any
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		all = append(all, o)
	}
	return all
}

// wait returns the lines once there are n, or after a time in which there should be. A client that has closed its connection
// does not wait for the helper's last lines.
func (b *book) wait(t *testing.T, n int) []map[string]any {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if all := b.lines(t); len(all) >= n || time.Now().After(end) {
			return all
		}
	}
}

// worker serves work.do: "bad" fails, "panic" panics, "wait" waits until it is let go or its context ends, "deaf" heeds no
// context. entered says that a handler waits.
func worker(opt daemon.Options) (d *daemon.Daemon, entered chan struct{}, release chan struct{}) {
	entered, release = make(chan struct{}, 100), make(chan struct{})
	opt.Context = work
	d = daemon.New(opt)
	daemon.Handle(d, do, func(ctx context.Context, what string) (string, error) {
		switch what {
		case "bad":
			return "", errWork
		case "panic":
			panic("s3cret")
		case "wait":
			daemon.Locks(ctx, []string{"net"}, false)
			daemon.Locks(ctx, []string{"net"}, true)
			entered <- struct{}{}
			select {
			case <-release:
			case <-ctx.Done():
				return "", ctx.Err()
			}
		case "deaf":
			entered <- struct{}{}
			<-release
		}
		return what, nil
	})
	return d, entered, release
}

// Each call is one line, when it is answered, whoever answers it; none has its arguments, or what a handler said.
func TestEveryCallIsOneLine(t *testing.T) {
	log := &book{}
	d, entered, release := worker(daemon.Options{Slots: 2, Queue: 1, Grace: time.Millisecond, Audit: &sink.Options{Rest: log}})
	c := privseptest.Join(t, d, work)
	begun := time.Now()
	for _, what := range []string{"s3cret", "bad", "panic"} {
		_, _ = do.Call(t.Context(), c, what)
	}
	// Both slots are taken, by one that heeds its context and one that does not; a third waits, a fourth has no place.
	var wait sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for _, what := range []string{"wait", "deaf"} {
		wait.Go(func() { _, _ = do.Call(ctx, c, what) })
		<-entered
	}
	queued, leave := context.WithCancel(t.Context())
	left := make(chan struct{})
	go func() {
		_, _ = do.Call(queued, c, "queued")
		close(left)
	}()
	for {
		s, err := c.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s.Waiting == 1 {
			break
		}
	}
	if _, err := do.Call(t.Context(), c, "s3cret"); !errors.Is(err, privsep.CodeBusy) {
		t.Fatal(err)
	}
	if _, err := c.Do(t.Context(), privsep.Request{Entrypoint: "work.none", Args: []byte{0xc0}}); !errors.Is(err, privsep.CodeNoEntrypoint) {
		t.Fatal(err)
	}
	if _, err := c.Do(t.Context(), privsep.Request{Entrypoint: "work.do", Args: []byte{0x93, 1, 2, 3}}); !errors.Is(err, privsep.CodeBadArguments) {
		t.Fatal(err)
	}
	leave() // before the slot that it waits for is given back, or it would run
	<-left
	cancel()
	wait.Wait()
	close(release)
	c.Close()
	got := map[string]int{}
	for _, o := range log.wait(t, 9) {
		for _, key := range []string{"call", "refused"} {
			if o[key] != nil {
				got[key+" "+o[key].(string)+" "+o["entrypoint"].(string)]++
			}
		}
		took, timed := o["duration"].(float64)
		if (o["call"] != nil) != timed || timed && (took < 0 || took > time.Since(begun).Seconds()) || o["client_pid"] != float64(os.Getpid()) || o["time"] == nil {
			t.Errorf("%v", o)
		}
		if o["call"] != nil && o["context"] != "work" {
			t.Errorf("%v", o)
		}
	}
	want := map[string]int{"call ok work.do": 1, "call work.bad_day work.do": 1, "call panicked work.do": 1, "call cancelled work.do": 2,
		"refused cancelled work.do": 1, "refused busy work.do": 1, "refused no_entrypoint work.none": 1, "refused bad_arguments work.do": 1}
	if !maps.Equal(got, want) {
		t.Errorf("%v,\nwant %v", got, want)
	}
	if strings.Contains(log.String(), "s3cret") {
		t.Error("an argument is in the log")
	}
}

// A client that asks for nonsense a thousand times a second fills no disk: what has no line is counted, and nothing is
// counted twice.
func TestRefusedLinesAreBounded(t *testing.T) {
	log := &book{}
	d, _, _ := worker(daemon.Options{Audit: &sink.Options{Rest: log}})
	c := privseptest.Join(t, d, work)
	const calls = 5000
	begun := time.Now()
	for range calls {
		if _, err := c.Do(t.Context(), privsep.Request{Entrypoint: "work.none", Args: []byte{0xc0}}); !errors.Is(err, privsep.CodeNoEntrypoint) {
			t.Fatal(err)
		}
	}
	seconds := int(time.Since(begun)/time.Second) + 2
	c.Close()
	lines, said := 0, 0.0
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) { // the last line comes after the client has gone
		lines, said = 0, 0
		for _, o := range log.lines(t) {
			if o["refused"] != nil {
				lines++
			}
			if more, ok := o["more"].(float64); ok {
				said += more
			}
		}
		if lines+int(said) >= calls || time.Now().After(deadline) {
			break
		}
	}
	if lines > 20*seconds || lines+int(said) != calls {
		t.Errorf("%d lines in %d seconds, which say of %v others; there were %d calls", lines, seconds, said, calls)
	}
}

// A client that breaks the protocol has that written down.
func TestProtocolErrorIsALine(t *testing.T) {
	log := &book{}
	d, _, _ := worker(daemon.Options{Audit: &sink.Options{Rest: log}})
	ours, theirs := pair(t)
	served := make(chan error, 1)
	go func() { served <- d.Serve(t.Context(), theirs) }()
	if _, err := ours.Write([]byte("GET / HTTP/1.0\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	err := <-served
	lines := log.lines(t)
	if err == nil || len(lines) != 1 || lines[0]["event"] != "protocol_error" || !strings.Contains(err.Error(), lines[0]["error"].(string)) {
		t.Errorf("%v, %v", err, lines)
	}
}

// Stats answers while every slot is taken, and says what each of them does.
func TestStats(t *testing.T) {
	d, entered, release := worker(daemon.Options{Slots: 2, Queue: 7, Grace: time.Millisecond})
	c := privseptest.Join(t, d, work)
	_, _ = do.Call(t.Context(), c, "x")
	_, _ = do.Call(t.Context(), c, "bad")
	_, _ = c.Do(t.Context(), privsep.Request{Entrypoint: "work.none", Args: []byte{0xc0}})
	var wait sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	wait.Go(func() { _, _ = do.Call(t.Context(), c, "wait") })
	<-entered
	wait.Go(func() { _, _ = do.Call(ctx, c, "deaf") })
	<-entered
	s, err := c.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.PID != os.Getpid() || s.Context != "work" || s.Policy != "" || s.Rules != 0 || s.Uptime <= 0 || s.Slots != 2 || s.Queue != 7 ||
		s.Running != 2 || s.Stuck != 0 || s.Waiting != 0 || s.HeldBytes == 0 || s.HeldFiles != 0 || len(s.InFlight) != 2 {
		t.Errorf("%+v", s)
	}
	if one := s.InFlight[0]; one.Entrypoint != "work.do" || !slices.Equal(one.Locks, []string{"net"}) || !one.Locked || one.Age < s.InFlight[1].Age {
		t.Errorf("the oldest: %+v", one)
	}
	cancel()
	for s.Stuck == 0 {
		if s, err = c.Stats(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	close(release)
	wait.Wait()
	for s.Running > 0 {
		if s, err = c.Stats(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := []stats.Calls{{Entrypoint: "", Outcome: "no_entrypoint", Count: 1}, {Entrypoint: "work.do", Outcome: "cancelled", Count: 1},
		{Entrypoint: "work.do", Outcome: "ok", Count: 2}, {Entrypoint: "work.do", Outcome: "work.bad_day", Count: 1}}
	if !slices.Equal(s.Calls, want) || len(s.InFlight) != 0 || s.HeldBytes != 0 {
		t.Errorf("%+v,\nwant %+v", s.Calls, want)
	}
	if _, err := c.Do(t.Context(), privsep.Request{Entrypoint: stats.Get.Name(), Args: []byte{0x01}}); !errors.Is(err, privsep.CodeBadArguments) {
		t.Errorf("arguments that stats does not take: %v", err)
	}
}
