//go:build linux

package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/privhelper/privhelper/internal/testenv"
	many "github.com/privhelper/privhelper/privsep/daemon/service"
	"golang.org/x/sys/unix"
)

// What the issue is about: under no_new_privs sudo gives nobody anything, and the service what its policy allows.
func TestWhereSudoRefuses(t *testing.T) {
	sudo := testenv.NeedProgram(t, "sudo", "sudo")
	socket := startService(t, shRules, "", false)
	hardened := func(argv ...string) ([]byte, error) {
		prefix := []string{fmt.Sprint("--reuid=", testenv.Nobody), fmt.Sprint("--regid=", testenv.Nobody), "--clear-groups", "--no-new-privs"}
		return exec.Command("/usr/bin/setpriv", append(prefix, argv...)...).CombinedOutput()
	}
	if out, err := hardened(sudo, "-n", "/usr/bin/id", "-u"); err == nil || !strings.Contains(string(out), "no new privileges") {
		t.Errorf("sudo: %v, %s", err, out)
	}
	if out, err := hardened(binary(), "run", "--socket", socket, "--", "id", "-u"); err != nil || string(out) != "0\n" {
		t.Errorf("the service: %v, %s", err, out)
	}
	if out, err := hardened(binary(), "run", "--socket", socket, "--", "sh", "-c", "grep NoNewPrivs /proc/self/status"); err != nil || string(out) != "NoNewPrivs:\t0\n" {
		t.Errorf("the command is not the client's child, and has none of its bonds: %v, %s", err, out)
	}
}

// A change of the terminal's size is told to the command, and ^\ is its signal.
func TestServiceTerminalResize(t *testing.T) {
	socket := startService(t, shRules, "", false)
	p := newPTY(t)
	cmd := p.startAs(testenv.Nobody, [3]*os.File{}, "run", "--socket", socket, "--", "sh", "-c",
		`trap 'stty size' WINCH; trap 'exit 5' QUIT; echo ready; while :; do sleep 0.02; done`)
	s := &screen{p: p}
	s.wait("ready")
	if err := unix.IoctlSetWinsize(int(p.hand.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 44, Col: 88}); err != nil {
		t.Fatal(err)
	}
	s.wait("44 88")
	typed(t, p, "\x1c")
	if code := exitCode(t, cmd); code != 5 {
		t.Errorf("exit code %d", code)
	}
}

// In the background of a shell the command's output is shown and nothing that is typed is taken; fg gives it the terminal. dash
// sends SIGCONT with it, bash to a job that runs nothing.
func TestServiceJobControl(t *testing.T) {
	socket := startService(t, shRules, "", false)
	for _, shell := range []string{"dash", "bash"} {
		t.Run(shell, func(t *testing.T) {
			p := newPTY(t)
			before := p.settings(nil)
			cmd := p.startProgram(testenv.Nobody, [3]*os.File{}, testenv.NeedProgram(t, shell, shell), "-c", `set -m; "$@" & read line; echo "the shell got $line"; fg %1; exit $?`, "sh",
				binary(), "run", "--socket", socket, "--", "sh", "-c", `echo started; read line; echo "the command got $line"; exit 6`)
			s := &screen{p: p}
			s.wait("started\r\n")
			typed(t, p, "one\n")
			s.wait("the shell got one\r\n")
			typed(t, p, "two\n")
			s.wait("the command got two\r\n")
			if code := exitCode(t, cmd); code != 6 {
				t.Errorf("exit code %d", code)
			}
			if p.settings(nil) != before {
				t.Error("the terminal is not as it was")
			}
		})
	}
}

// What keeps the master from being killed when memory is short (OOMScoreAdjust= of its unit) is not for workers, which a client may
// make large, nor for commands. Here it is a number that everybody may set.
func TestServiceOOMScore(t *testing.T) {
	socket := startService(t, shRules, "", false)
	s, err := many.Ask(many.ControlPath(socket))
	if err != nil {
		t.Fatal(err)
	}
	score := func(pid any) string {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%v/oom_score_adj", pid))
		if err != nil {
			t.Fatal(err)
		}
		return string(bytes.TrimSpace(text))
	}
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", s.PID), []byte("300"), 0); err != nil {
		t.Fatal(err)
	}
	old := childrenOf(s.PID)
	if err := syscall.Kill(s.PID, syscall.SIGHUP); err != nil { // workers that are started from now on
		t.Fatal(err)
	}
	eventually(t, "new workers", func() bool {
		status, err := many.Ask(many.ControlPath(socket))
		now := childrenOf(s.PID)
		return err == nil && status.Ready == 4 && len(now) == 4 && !slices.ContainsFunc(now, func(pid string) bool { return slices.Contains(old, pid) })
	})
	for _, worker := range childrenOf(s.PID) {
		if got := score(worker); got != "0" {
			t.Errorf("a worker has %s", got)
		}
	}
	if out := testenv.Output(t, unprivileged(testenv.Nobody, "run", "--socket", socket, "--", "cat", "/proc/self/oom_score_adj")); string(out) != "0\n" {
		t.Errorf("a command has %s", out)
	}
	if got := score(s.PID); got != "300" {
		t.Errorf("the master has %s", got)
	}
}

// What a worker left that was killed with all its kin is removed when the service starts.
func TestServiceSweepsCgroups(t *testing.T) {
	testenv.NeedRoot(t)
	folder := ownCgroup(t)
	stale := filepath.Join(folder, "privhelper.1.1")
	if folder == "" {
		testenv.Miss(t, "needs cgroup2")
	}
	if err := os.MkdirAll(filepath.Join(stale, "7"), 0o755); err != nil {
		testenv.Miss(t, "needs cgroup2 that can be written: "+err.Error())
	}
	child := exec.Command("sleep", "1000")
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	start(t, child)
	defer child.Wait()
	if err := os.WriteFile(filepath.Join(stale, "7", "cgroup.procs"), []byte(fmt.Sprint(child.Process.Pid)), 0); err != nil {
		t.Fatal(err)
	}
	startService(t, shRules, "", false)
	// Another helper that starts, of a test beside this one, may be about to sweep it: each leaves alone what somebody holds.
	eventually(t, "the cgroup of a helper that is gone is gone", func() bool {
		_, err := os.Stat(stale)
		return errors.Is(err, fs.ErrNotExist)
	})
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came: %s", what)
		}
	}
}
