//go:build linux

package main_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/privhelper/privhelper/internal/testenv"
	many "github.com/privhelper/privhelper/privsep/daemon/service"
	"github.com/privhelper/privhelper/privsep/stats"
)

// What a service tells root: who is served, and what was decided for whom. Nobody else is told.
func TestServiceStatus(t *testing.T) {
	socket := startService(t, shRules, "service_ready = 2\n", false)
	cmd, out := held(t, socket)
	control := many.ControlPath(socket)
	var s many.Status
	if err := json.Unmarshal(testenv.Output(t, exec.Command(binary(), "status", "--control", control, "--json")), &s); err != nil {
		t.Fatal(err)
	}
	if len(s.Connections) != 1 || s.Connections[0].UID != testenv.Nobody || s.Connections[0].PID != cmd.Process.Pid || s.Waiting != 0 || s.Stopping {
		t.Fatalf("%+v", s)
	}
	told := s.Connections[0].Stats
	if told == nil {
		t.Fatal("the worker did not answer")
	}
	if len(told.Decisions) != 1 || told.Decisions[0] != (stats.Decisions{Rule: "cat", Outcome: "match", Count: 1}) || told.PID != s.Connections[0].Worker {
		t.Errorf("the worker says %+v", told)
	}
	text := string(testenv.Output(t, exec.Command(binary(), "status", "--control", control)))
	if !strings.Contains(text, "1 clients served") || !strings.Contains(text, "cat match 1\n") {
		t.Errorf("in words: %s", text)
	}
	if said, err := unprivileged(testenv.Nobody, "status", "--control", control).CombinedOutput(); err == nil || !strings.Contains(string(said), "permission denied") {
		t.Errorf("nobody is told %s, %v", said, err)
	}
	// A worker that does not answer holds up nobody else's answer for more than its time.
	freeze(t, told.PID)
	began := time.Now()
	text = string(testenv.Output(t, exec.Command(binary(), "status", "--control", control)))
	if took := time.Since(began); !strings.Contains(text, "does not answer") || took > 5*time.Second {
		t.Errorf("with a stopped worker, after %v: %s", took, text)
	}
	if err := syscall.Kill(told.PID, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	release(t, cmd, out)
}

// freeze stops a process and returns when each of its threads has stopped: one that runs on another processor goes on for a
// moment.
func freeze(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil || len(threads) == 0 {
		t.Fatal(threads, err)
	}
	for _, thread := range threads {
		tid, err := strconv.Atoi(filepath.Base(thread))
		if err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(10 * time.Second); stateOf(t, tid) != "T"; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("thread %d of process %d is in state %s", tid, pid, stateOf(t, tid))
			}
		}
	}
}

// A log that was renamed is opened anew by workers that serve and by those that wait, also where the configuration is bad.
func TestServiceReopensLogs(t *testing.T) {
	log := filepath.Join(logFolder(t), "audit.log")
	socket := startService(t, shRules, "service_ready = 2\naudit_file = "+log+"\n", false)
	cmd, out := held(t, socket)
	config := filepath.Join(filepath.Dir(socket), "r.conf")
	good, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	s, err := many.Ask(many.ControlPath(socket))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(good), "nonsense\n"} {
		if err := errors.Join(os.WriteFile(config, []byte(text), 0o644), os.Rename(log, log+".1"), syscall.Kill(s.PID, syscall.SIGHUP)); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			if _, err := os.Stat(log); err == nil {
				break
			}
			if time.Now().After(end) {
				t.Fatal("nobody has opened the log anew")
			}
		}
		if out := testenv.Output(t, unprivileged(testenv.Nobody, "run", "--socket", socket, "--", "id", "-u")); string(out) != "0\n" {
			t.Errorf("%q", out)
		}
		if line, err := os.ReadFile(log); err != nil || !strings.Contains(string(line), `"rule": "id"`) || !strings.Contains(string(line), `"client": "`+binary()+" run --socket") {
			t.Errorf("in the new log, with %q: %s, %v", text[:8], line, err)
		}
	}
	release(t, cmd, out)
}

// logFolder is one that only root can change, for an audit log.
func logFolder(t *testing.T) string {
	t.Helper()
	testenv.NeedRoot(t)
	dir, err := os.MkdirTemp(base, "log-")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// held is a client of the service that runs cat until release.
func held(t *testing.T, socket string) (*exec.Cmd, *os.File) {
	t.Helper()
	cmd := unprivileged(testenv.Nobody, "run", "--socket", socket, "--", "cat")
	in, give, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	cmd.Stdin = in
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, cmd)
	if _, err := give.WriteString("runs\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "runs\n" {
		t.Fatalf("%q, %v", line, err)
	}
	return cmd, give
}

func release(t *testing.T, cmd *exec.Cmd, give *os.File) {
	t.Helper()
	give.Close()
	if code := exitCode(t, cmd); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
