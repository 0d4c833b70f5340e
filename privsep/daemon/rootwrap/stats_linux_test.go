package rootwrap_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/stats"
)

// What a helper says of its commands: by which rules they ran, which run now and which locks they hold or wait for. The log
// says the same when it is over, and who asked.
func TestStatsOfCommands(t *testing.T) {
	dir := rootsFolder(t)
	log := filepath.Join(dir, "log")
	c := start(t, program(t), "audit_file="+log+"\nlock_path="+filepath.Join(dir, "locks")+"\ncapabilities=\n",
		"cat: CommandFilter, cat, root\ntrue: CommandFilter, true, root\n[cat]\nlock = one\naudit = full\n")
	var inputs []interface{ Close() error }
	var wait []func() error
	for range 2 { // the second waits for the first's lock
		cmd := c.Command("cat")
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if len(wait) == 0 {
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			wait = append(wait, cmd.Wait)
		} else {
			done := make(chan error, 1)
			go func() { done <- cmd.Run() }()
			wait = append(wait, func() error { return <-done })
		}
		inputs = append(inputs, in)
	}
	for range 3 {
		if err := c.Command("true").Run(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Command("rm").Run(); !errors.Is(err, privsep.CodeDenied) {
		t.Fatal(err)
	}
	var s stats.Stats
	for len(s.InFlight) < 2 || len(s.InFlight[1].Locks) == 0 {
		var err error
		if s, err = c.Stats(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	first, second := s.InFlight[0], s.InFlight[1]
	if first.Rule != "cat" || first.PID == 0 || !slices.Equal(first.Locks, []string{"one"}) || !first.Locked {
		t.Errorf("what runs: %+v", first)
	}
	if second.PID != 0 || !slices.Equal(second.Locks, []string{"one"}) || second.Locked {
		t.Errorf("what waits: %+v", second)
	}
	if s.Policy == "" || s.Policy != c.Helper().Policy || s.Rules < 2 || s.PID != c.Helper().PID || s.AuditLost != 0 {
		t.Errorf("%+v", s)
	}
	for i, in := range inputs {
		in.Close()
		if err := wait[i](); err != nil {
			t.Error(err)
		}
	}
	s, err := c.Stats(t.Context())
	want := []stats.Decisions{{Rule: "", Outcome: "unauthorized", Count: 1}, {Rule: "cat", Outcome: "match", Count: 2}, {Rule: "true", Outcome: "match", Count: 3}}
	if err != nil || !slices.Equal(s.Decisions, want) {
		t.Errorf("%v, %+v, want %+v", err, s.Decisions, want)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	ends, waited := 0, false
	for line := range strings.Lines(string(text)) {
		var o struct {
			Event, Client, Policy, Context string
			Lock                           []string
			Waited                         float64
			PID                            int
			Exit                           *int
		}
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if !strings.HasPrefix(o.Client, os.Args[0]) || o.Policy != s.Policy || o.Context != "command" {
			t.Errorf("whose, by which policy: %s", line)
		}
		if o.Event == "end" {
			ends++
			waited = waited || o.Waited > 0
			if o.PID == 0 || o.Exit == nil || *o.Exit != 0 || !slices.Equal(o.Lock, []string{"one"}) {
				t.Errorf("an end: %s", line)
			}
		}
	}
	if ends != 2 || !waited {
		t.Errorf("%d ends, one waited: %v", ends, waited)
	}
}
