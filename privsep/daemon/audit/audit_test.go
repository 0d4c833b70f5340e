package audit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/command"
	"github.com/privhelper/privhelper/privsep/daemon/audit"
)

// TestLearned: what only the learning file allows has its mark and that file's rule, whether it runs or not.
func TestLearned(t *testing.T) {
	ran := match("ip", "addr")
	ran.Verdict.Learned = true
	refused := audit.Entry{Request: ran.Request, Verdict: filters.Verdict{Learned: true, Near: []filters.Near{{Rule: rule, Reason: "why"}}}}
	for _, test := range []struct {
		entry audit.Entry
		want  string
	}{{ran, `"decision": "match",`}, {refused, `"decision": "unauthorized",`}} {
		var out strings.Builder
		audit.New(&out).Decision(test.entry)
		for _, want := range []string{test.want, `"learned": true, "rule": "ip", "file": "/etc/privhelper/net.filters", "line": 7, "run_as": `} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("no %s in %s", want, out.String())
			}
		}
	}
}

var rule = &filters.Rule{Name: "ip", File: "/etc/privhelper/net.filters", Line: 7}

func match(argv ...string) audit.Entry {
	return audit.Entry{PID: 12, UID: 34, Policy: "abcd", Request: filters.Request{Argv: argv},
		Verdict: filters.Verdict{Outcome: filters.Match, Rule: rule, Path: "/sbin/ip", Argv: argv, RunAs: "root"}}
}

// decode wants exactly one line of ASCII without control characters, and gives its object.
func decode(t *testing.T, line []byte) map[string]any {
	t.Helper()
	if n := bytes.Count(line, []byte{'\n'}); n != 1 || line[len(line)-1] != '\n' {
		t.Fatalf("%d lines: %q", n, line)
	}
	for _, b := range line[:len(line)-1] {
		if b < ' ' || b > '~' {
			t.Fatalf("byte %#x is in the log: %q", b, line)
		}
	}
	var o map[string]any
	if err := json.Unmarshal(line, &o); err != nil {
		t.Fatalf("%v: %q", err, line)
	}
	return o
}

func write(t *testing.T, e audit.Entry) map[string]any {
	t.Helper()
	var out bytes.Buffer
	audit.New(&out).Decision(e)
	return decode(t, out.Bytes())
}

func TestDecision(t *testing.T) {
	refused := audit.Entry{PID: 12, UID: 34, Policy: "abcd", Request: filters.Request{Argv: []string{"rm"}, Env: []string{"A=b"}, Dir: "/tmp"},
		Verdict: filters.Verdict{Near: []filters.Near{{Rule: rule, Reason: "argument 1 is missing"}}}}
	missing := audit.Entry{Request: filters.Request{Argv: []string{"ip"}}, Verdict: filters.Verdict{Outcome: filters.NotExecutable, Rule: rule}}
	failed := match("ip", "link")
	failed.Err = errors.New("no such user")
	unsafe := match("ip", "link")
	unsafe.Verdict.Unsafe, unsafe.Verdict.Env = []string{"regexp-anchor"}, []string{"A=b"}
	for _, c := range []struct {
		name  string
		entry audit.Entry
		want  map[string]any
	}{
		{"allowed", match("ip", "link"), map[string]any{"decision": "match", "client_uid": 34.0, "client_pid": 12.0, "argv": "[ip link]",
			"rule": "ip", "file": rule.File, "line": 7.0, "run_as": "root", "command": "[/sbin/ip link]", "policy": "abcd"}},
		{"refused", refused, map[string]any{"decision": "unauthorized", "argv": "[rm]", "env": "[A=b]", "dir": "/tmp", "reason": "argument 1 is missing"}},
		{"no program", missing, map[string]any{"decision": "not_executable", "rule": "ip", "command": nil}},
		{"not to be started", failed, map[string]any{"decision": "error", "rule": "ip", "error": "no such user"}},
		{"what oslo accepts", unsafe, map[string]any{"decision": "match", "unsafe": "[regexp-anchor]", "command_env": "[A=b]"}},
		// pkexec CVE-2021-4034.
		{"nothing", audit.Entry{}, map[string]any{"decision": "unauthorized", "argv": "[]", "rule": nil}},
		// sudo CVE-2023-28486: what a terminal or another line could be made of. JSON puts it together again.
		{"text", match("ip", "a\nb\r\x1b[2J\u202e\u0085\xff\x00"), map[string]any{"argv": "[ip a\nb\r\x1b[2J\u202e\u0085\ufffd\x00]"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := write(t, c.entry)
			if got["time"] == nil {
				t.Error("no time")
			}
			for key, want := range c.want {
				if list, ok := got[key].([]any); ok {
					got[key] = fmt.Sprint(list)
				}
				if got[key] != want {
					t.Errorf("%s is %q, want %q", key, got[key], want)
				}
			}
		})
	}
}

// A client may send a MiB. Each byte of it may take six in the log, and none of that is written.
func TestLineIsBounded(t *testing.T) {
	const limit = 8 << 10
	wide := strings.Repeat("\xff", 1<<20)
	many := make([]string, 100_000)
	for i := range many {
		many[i] = "\"\x01\u202e"
	}
	for name, argv := range map[string][]string{"one": {wide}, "many": many, "empty ones": make([]string, 200_000), "options": {"--name=" + wide, wide}} {
		e := match(argv...)
		e.Request.Env, e.Request.Dir = argv, wide
		e.Verdict.Env, e.Verdict.RunAs, e.Policy = argv, wide, strings.Repeat("f", 64)
		e.Verdict.Unsafe = []string{"builtin-privsep-helper", "chain-basename", "chain-inner", "ip-exec", "path-prefix", "read-file",
			"regexp-anchor", "env-values", "run-as-groups", "kill-race", "kill-pid", "unknown-class", "bad-line", "file-trust", "file-names"}
		e.Verdict.Near = []filters.Near{{Reason: wide}}
		e.Verdict.Rule = &filters.Rule{Name: wide, File: wide}
		e.Err = errors.New(wide)
		all := ^privsep.Capabilities(0) >> (63 - privsep.CAP_CHECKPOINT_RESTORE)
		e.Program, e.Capabilities, e.Locks = wide, &all, argv
		var out bytes.Buffer
		audit.New(&out).Decision(e)
		if out.Len() > limit {
			t.Errorf("%s: the line has %d bytes", name, out.Len())
		}
		o := decode(t, out.Bytes())
		if o["argv_count"] != float64(len(argv)) || o["argv_cut"] == nil {
			t.Errorf("%s: %v arguments, %v bytes cut; there were %d", name, o["argv_count"], o["argv_cut"], len(argv))
		}
	}
	if o := write(t, match("ip", strings.Repeat("x", 300))); o["argv_cut"] != nil || o["argv"].([]any)[1] != strings.Repeat("x", 300) {
		t.Errorf("an ordinary line was cut: %v", o)
	}
}

// pipe takes so many bytes more and then has no room.
type pipe struct {
	bytes.Buffer
	room int
}

func (p *pipe) Write(b []byte) (int, error) {
	if len(b) <= p.room {
		p.room -= len(b)
		return p.Buffer.Write(b)
	}
	n, _ := p.Buffer.Write(b[:p.room])
	p.room = 0
	return n, syscall.ENOSPC
}

// A line that was torn by a full disk takes no whole one with it. What is lost is counted.
func TestTornLine(t *testing.T) {
	out := &pipe{room: 20}
	log := audit.New(out)
	for range 2 {
		log.Decision(match("ip"))
	}
	if log.Sink().Lost() != 2 {
		t.Errorf("a full disk: %d lines lost", log.Sink().Lost())
	}
	out.room = 1 << 20
	for range 2 {
		log.Decision(match("ip"))
	}
	lines := bytes.SplitAfter(out.Bytes(), []byte{'\n'})
	if len(lines) != 5 || len(lines[0]) != 21 { // the torn one, what was lost, two whole ones, what follows the last newline
		t.Fatalf("%q", lines)
	}
	if o := decode(t, lines[1]); o["event"] != "lost" || o["lines"] != 2.0 {
		t.Errorf("%v", o)
	}
	decode(t, lines[2])
	decode(t, lines[3])
}

// Many decisions at once: each is one line, written by one write.
func TestConcurrent(t *testing.T) {
	var mu sync.Mutex
	writes := 0
	out := writer(func(b []byte) {
		mu.Lock()
		defer mu.Unlock()
		writes++
		decode(t, b)
	})
	log := audit.New(out)
	var wait sync.WaitGroup
	for range 64 {
		wait.Go(func() {
			for range 10 {
				log.Decision(match("ip", "link"))
			}
		})
	}
	wait.Wait()
	if writes != 640 {
		t.Errorf("%d writes for 640 decisions", writes)
	}
}

type writer func([]byte)

func (w writer) Write(b []byte) (int, error) { w(b); return len(b), nil }

func TestNoLog(t *testing.T) {
	var none *audit.Log
	for _, log := range []*audit.Log{none, {}, audit.New(nil)} {
		log.Decision(match("ip"))
		log.NotStarted(match("ip"), syscall.EAGAIN)
		if err := log.Close(); err != nil || log.Sink().Lost() != 0 {
			t.Errorf("%v, %d lines lost", err, log.Sink().Lost())
		}
	}
}

func TestNotStarted(t *testing.T) {
	var out bytes.Buffer
	audit.New(&out).NotStarted(match("ip"), syscall.EAGAIN)
	o := decode(t, out.Bytes())
	if o["event"] != "not_started" || o["decision"] != nil || o["error"] != syscall.EAGAIN.Error() {
		t.Errorf("%v", o)
	}
}

// With audit = full the end has a line too, which can be read without that of the decision.
func TestEnd(t *testing.T) {
	caps := privsep.Caps(privsep.CAP_NET_ADMIN)
	e := match("ip", "link")
	e.GID, e.Program, e.Capabilities, e.Locks, e.Waited = 35, "service --x", &caps, []string{"a", "b"}, 1500*time.Millisecond
	usage := command.Usage{User: time.Second, System: 20 * time.Millisecond, MaxRSS: 3000}
	for name, c := range map[string]struct {
		end  audit.End
		want map[string]any
	}{
		"by itself":  {audit.End{Result: command.Result{PID: 77, Code: 3, Usage: usage}, Took: 2 * time.Second}, map[string]any{"exit": 3.0, "signal": nil, "error": nil}},
		"by timeout": {audit.End{Result: command.Result{PID: 77, Code: -1, Signal: 9, Usage: usage}, Took: 2 * time.Second, Err: errors.New("its timeout, 2s")}, map[string]any{"exit": nil, "signal": 9.0, "error": "its timeout, 2s"}},
	} {
		var out bytes.Buffer
		audit.New(&out).End(e, c.end)
		o := decode(t, out.Bytes())
		for key, want := range map[string]any{"event": "end", "decision": nil, "rule": "ip", "client": "service --x", "client_gid": 35.0, "capabilities": "CAP_NET_ADMIN",
			"waited": 1.5, "pid": 77.0, "duration": 2.0, "user": 1.0, "system": 0.02, "maxrss_kib": 3000.0} {
			if o[key] != want {
				t.Errorf("%s: %s is %v, want %v", name, key, o[key], want)
			}
		}
		for key, want := range c.want {
			if o[key] != want {
				t.Errorf("%s: %s is %v, want %v", name, key, o[key], want)
			}
		}
	}
}
