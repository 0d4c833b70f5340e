package stats_test

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/privhelper/privhelper/privsep/stats"
)

var some = stats.Stats{PID: 4321, Policy: "8af5", Uptime: 90 * time.Second, Slots: 64, Running: 2, Queue: 16384, Rules: 12, AuditLost: 3,
	Calls:     []stats.Calls{{Entrypoint: "command.run", Outcome: "ok", Count: 7}, {Outcome: "no_entrypoint", Count: 1}},
	Decisions: []stats.Decisions{{Outcome: "unauthorized", Count: 2}, {Rule: "ip\"\\\n\xff", Outcome: "match", Count: 7}},
	InFlight: []stats.Call{{ID: 1, Entrypoint: "command.run", Age: time.Minute, Rule: "ip", PID: 77, Locks: []string{"a", "b"}, Locked: true},
		{ID: 2, Entrypoint: "command.run", Locks: []string{"a"}}}}

// The files in testdata are what a person, and Prometheus, gets. promtool check metrics takes the second.
func TestRender(t *testing.T) {
	for name, write := range map[string]func(*bytes.Buffer) error{
		"text":        func(b *bytes.Buffer) error { return some.WriteText(b) },
		"openmetrics": func(b *bytes.Buffer) error { return some.WriteOpenMetrics(b) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile("testdata/" + name)
		if err != nil || b.String() != string(want) {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, err, b.String(), want)
		}
	}
}

// What OpenMetrics 1.0 asks of a text: each family's samples together, below its TYPE; counters end in _total; one EOF, last.
func TestOpenMetrics(t *testing.T) {
	var b bytes.Buffer
	if err := some.WriteOpenMetrics(&b); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	family, kind, seen := "", "", map[string]bool{}
	for _, line := range lines[:len(lines)-1] {
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			family, kind, _ = strings.Cut(rest, " ")
			if seen[family] {
				t.Errorf("%s stands there twice", family)
			}
			seen[family] = true
			continue
		}
		name := strings.FieldsFunc(strings.TrimPrefix(line, "# HELP "), func(r rune) bool { return r == ' ' || r == '{' })[0]
		want := family + map[string]string{"counter": "_total", "info": "_info"}[kind]
		if strings.HasPrefix(line, "# HELP ") {
			want = family
		}
		if name != want {
			t.Errorf("%q within %s", line, family)
		}
	}
	if lines[len(lines)-1] != "# EOF" || strings.Count(b.String(), "# EOF") != 1 {
		t.Error("its end")
	}
}
