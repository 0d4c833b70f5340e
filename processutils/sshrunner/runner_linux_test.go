package sshrunner_test

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/privhelper/privhelper/processutils"
	"github.com/privhelper/privhelper/processutils/sshrunner"
)

func TestRun(t *testing.T) {
	r := startServer(t).dial(t)
	c := processutils.Command("sh", "-c", `cat; printf '%s|' "$@" >&2; pwd; echo "$PU_X"`, "sh", "two words", "it's", "", "$HOME", "\xff\n", "-x")
	c.Input, c.Env, c.Dir = []byte("fed "), []string{"PU_X=it's"}, "/proc"
	res, err := r.Run(t.Context(), c)
	if err != nil || res.Stdout.String() != "fed /proc\nit's\n" || res.Stderr.String() != "two words|it's||$HOME|\xff\n|-x|" {
		t.Errorf("%v, %v", res, err)
	}
	c = processutils.Command("sh", "-c", "echo a; echo b >&2; echo c; exit 3")
	c.MergeStderr, c.Accept = true, []int{3}
	if res, err := r.Run(t.Context(), c); err != nil || res.Stdout.String() != "a\nb\nc\n" || res.Code != 3 {
		t.Errorf("%v, %v", res, err)
	}
}

func TestFailures(t *testing.T) {
	r := startServer(t).dial(t)
	for _, c := range []struct {
		cmd    processutils.Cmd
		stage  processutils.Stage
		code   int
		signal syscall.Signal
		is     error
	}{
		{processutils.Command("sh", "-c", "exit 7"), processutils.StageWait, 7, 0, nil},
		{processutils.Command("sh", "-c", "kill -TERM $$"), processutils.StageWait, -1, syscall.SIGTERM, nil},
		{processutils.Command("sh", "-c", "kill -KILL $$"), processutils.StageWait, -1, syscall.SIGKILL, nil},
		{processutils.Command("no-such-program"), processutils.StageWait, 127, 0, nil},
		{processutils.Cmd{Args: []string{"true"}, OnlyEnv: true}, processutils.StageStart, -1, 0, errors.ErrUnsupported},
		{processutils.Cmd{Args: []string{"true"}, InputFunc: func() (io.Reader, error) { return nil, io.ErrNoProgress }}, processutils.StageStart, -1, 0, io.ErrNoProgress},
	} {
		_, err := r.Run(t.Context(), c.cmd)
		var failed *processutils.ExecError
		var exit *ssh.ExitError
		if !errors.As(err, &failed) || failed.Stage != c.stage || failed.ExitCode() != c.code || failed.Signal() != c.signal || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%v: %v, want %s, %d, %v, %v", c.cmd, err, c.stage, c.code, c.signal, c.is)
		}
		if errors.As(err, &exit) != (c.stage == processutils.StageWait) {
			t.Errorf("%v: %T", err, failed.Err)
		}
	}
	// The environment is what the server allows, and a variable that it does not is never dropped.
	var refused *sshrunner.EnvError
	if _, err := r.Run(t.Context(), processutils.Cmd{Args: []string{"true"}, Env: []string{"OTHER=1"}}); !errors.As(err, &refused) || refused.Name != "OTHER" {
		t.Error(err)
	}
}

// 8 MiB on each output and 8 MiB of input: whoever reads one stream to its end first waits for ever.
func TestStreamsTogether(t *testing.T) {
	r := startServer(t).dial(t)
	c := processutils.Command("sh", "-c", "head -c 8388608 /dev/zero >&2; head -c 8388608 /dev/zero; wc -c >&2")
	c.Input = make([]byte, 8<<20)
	c.Timeout = 2 * time.Minute
	c.Bound = 1000
	res, err := r.Run(t.Context(), c)
	if err != nil || res.Stdout.Len() != 8<<20 || !strings.HasSuffix(res.Stderr.String(), "8388608\n") {
		t.Errorf("%v, %d and %d bytes", err, res.Stdout.Len(), res.Stderr.Len())
	}
}

func TestDeadline(t *testing.T) {
	r := startServer(t).dial(t)
	for _, c := range []struct {
		name, script string
		grace        time.Duration // a session for kill takes a while
		signal       syscall.Signal
	}{
		{"asked", "sleep 100100 & echo; sleep 100100; wait", 3 * time.Second, syscall.SIGTERM},
		{"killed", "trap '' TERM; sleep 100101 & echo; while :; do sleep 100101; done", 300 * time.Millisecond, syscall.SIGKILL},
	} {
		cmd := processutils.Command("sh", "-c", c.script)
		cmd.Stop.Grace = c.grace
		ctx, cancel := context.WithCancel(t.Context())
		var began time.Time
		cmd.Stdout = writer(func() { // when it says that it runs
			began = time.Now()
			cancel()
		})
		_, err := r.Run(ctx, cmd)
		took := time.Since(began)
		var failed *processutils.ExecError
		if !errors.As(err, &failed) || !errors.Is(err, context.Canceled) || failed.Stage != processutils.StageDeadline || failed.Signal() != c.signal {
			t.Errorf("%s: %v", c.name, err)
		}
		t.Logf("%s: %v after the context's end", c.name, took)
		if took > c.grace+time.Second {
			t.Errorf("%s: took %v", c.name, took)
		}
		all, _ := os.ReadDir("/proc")
		for _, e := range all {
			if text, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline"); strings.HasPrefix(string(text), "sleep\x0010010") {
				t.Errorf("%s: process %s lives", c.name, e.Name())
			}
		}
	}
	// What holds the streams from a session of its own cannot stretch the deadline.
	cmd := processutils.Command("sh", "-c", "setsid sleep 3 & exit 0")
	cmd.Timeout, cmd.Stop.Grace = 300*time.Millisecond, 100*time.Millisecond
	began := time.Now()
	if _, err := r.Run(t.Context(), cmd); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > cmd.Timeout+cmd.Stop.Grace+1100*time.Millisecond {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}

// writer calls when something is written.
type writer func()

func (w writer) Write(p []byte) (int, error) { w(); return len(p), nil }

// What may have run is not run again.
func TestConnectionBreaks(t *testing.T) {
	r := startServer(t).dial(t)
	c := processutils.Command("sleep", "5")
	starts := 0
	c.OnStart = func(processutils.Process) {
		starts++
		r.Close()
	}
	_, err := processutils.Retry{Runner: r, Attempts: 3, MaxDelay: -1}.Run(t.Context(), c)
	var failed *processutils.ExecError
	if !errors.As(err, &failed) || failed.Stage != processutils.StageLost || starts != 1 {
		t.Errorf("%v, %d starts", err, starts)
	}
}

func TestManyAtOnce(t *testing.T) {
	r := startServer(t).dial(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			c := processutils.Command("cat")
			c.Input = []byte("x")
			if res, err := r.Run(t.Context(), c); err != nil || res.Stdout.String() != "x" {
				t.Errorf("%v, %v", res, err)
			}
		})
	}
	all.Wait()
}

// The host's key is checked, however it is known.
func TestHostKeys(t *testing.T) {
	s := startServer(t)
	other := newKey(t, s.dir+"/third").PublicKey()
	dial := func(change func(*sshrunner.Config)) error {
		cfg := s.config()
		cfg.HostKeys = nil
		change(&cfg)
		r, err := sshrunner.Dial(t.Context(), cfg)
		if err == nil {
			r.Close()
		}
		return err
	}
	if err := dial(func(c *sshrunner.Config) { c.KnownHosts = []string{s.knownHosts(t, s.hostKey)} }); err != nil {
		t.Error(err)
	}
	var wrong *knownhosts.KeyError
	if err := dial(func(c *sshrunner.Config) { c.KnownHosts = []string{s.knownHosts(t, other)} }); !errors.As(err, &wrong) || len(wrong.Want) != 1 {
		t.Errorf("another key: %v", err)
	}
	empty := t.TempDir() + "/empty"
	write(t, empty, "")
	if err := dial(func(c *sshrunner.Config) { c.KnownHosts = []string{empty} }); !errors.As(err, &wrong) || len(wrong.Want) != 0 {
		t.Errorf("an unknown host: %v", err)
	}
	if err := dial(func(c *sshrunner.Config) { c.HostKeys = []ssh.PublicKey{other} }); err == nil || !strings.Contains(err.Error(), "none of HostKeys") {
		t.Errorf("another pinned key: %v", err)
	}
	t.Setenv("HOME", t.TempDir())
	if _, err := os.Stat("/etc/ssh/ssh_known_hosts"); err != nil {
		if err := dial(func(*sshrunner.Config) {}); err == nil || !strings.Contains(err.Error(), "known_hosts") {
			t.Errorf("nothing is known: %v", err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	if _, err := sshrunner.Dial(ctx, s.config()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
}
