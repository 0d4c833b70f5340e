package client_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
)

func TestCmd(t *testing.T) {
	c := start(t, client.Config{}, "helper-for-commands")
	sh := func(script string) *client.Cmd { return c.Command("sh", "-c", script) }

	out, err := sh("echo out; echo err >&2").Output()
	if err != nil || string(out) != "out\n" {
		t.Errorf("Output: %q, %v", out, err)
	}
	out, err = sh("echo out; echo err >&2; echo out").CombinedOutput()
	if err != nil || string(out) != "out\nerr\nout\n" {
		t.Errorf("CombinedOutput: %q, %v", out, err)
	}
	var exit *client.ExitError
	if _, err = sh("echo why >&2; exit 3").Output(); !errors.As(err, &exit) || exit.ExitCode() != 3 || string(exit.Stderr) != "why\n" || err.Error() != "exit status 3" {
		t.Errorf("exit code: %v", err)
	}
	if err = sh("kill -TERM $$").Run(); !errors.As(err, &exit) || exit.Signal() != syscall.SIGTERM || exit.ExitCode() != -1 {
		t.Errorf("signal: %v", err)
	}
	if out, err := sh("cat /proc/self/status").Output(); err != nil || !strings.Contains(string(out), "CapEff:\t0000000000001000\n") ||
		!strings.Contains(string(out), "CapBnd:\t0000000000001000\n") {
		t.Errorf("capabilities: %s, %v", out, err)
	}
	if out, err := sh("ls /proc/self/fd").Output(); err != nil || string(out) != "0\n1\n2\n3\n" { // 3 is ls's own
		t.Errorf("descriptors: %q, %v", out, err)
	}

	cat := sh("cat")
	cat.Stdin = strings.NewReader("by a reader")
	if out, err := cat.Output(); err != nil || string(out) != "by a reader" {
		t.Errorf("Stdin: %q, %v", out, err)
	}
	cat = sh("cat")
	in, err := cat.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	back, err := cat.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cat.Start(); err != nil {
		t.Fatal(err)
	}
	io.WriteString(in, "by a pipe")
	in.Close()
	if out, err := io.ReadAll(back); err != nil || string(out) != "by a pipe" {
		t.Errorf("StdinPipe: %q, %v", out, err)
	}
	if err := cat.Wait(); err != nil {
		t.Error(err)
	}

	trap := sh("trap 'exit 7' USR1; echo ready; while :; do sleep 0.01; done")
	ready, err := trap.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := trap.Start(); err != nil {
		t.Fatal(err)
	}
	bufio.NewReader(ready).ReadString('\n')
	if err := trap.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Error(err)
	}
	if err := trap.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("a signal that is caught: %v", err)
	}
	if err := trap.Process.Kill(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("Kill after the end: %v", err)
	}
}

func TestCmdRefused(t *testing.T) {
	c := start(t, client.Config{}, "helper-for-commands")
	env, dir := c.Command("sh", "-c", "true"), c.Command("sh", "-c", "true")
	env.Env, dir.Dir = []string{"LD_PRELOAD=/x"}, "/tmp"
	for name, test := range map[string]struct {
		cmd  *client.Cmd
		want error
		code privsep.Code
	}{
		"no rule":        {c.Command("reboot"), fs.ErrPermission, privsep.CodeDenied},
		"no program":     {c.Command("/usr/bin/no-such-program"), fs.ErrNotExist, privsep.CodeNotExecutable},
		"a variable":     {env, fs.ErrPermission, privsep.CodeDenied},
		"a folder":       {dir, fs.ErrPermission, privsep.CodeDenied},
		"empty argument": {c.Command(""), fs.ErrPermission, privsep.CodeDenied},
	} {
		t.Run(name, func(t *testing.T) {
			err := test.cmd.Run()
			if !errors.Is(err, test.want) || !errors.Is(err, test.code) || outcome(err) != "answered" {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestCmdTerminal: the client replaces a terminal by a pipe; the helper refuses one from a client that does not.
func TestCmdTerminal(t *testing.T) {
	c := start(t, client.Config{}, "helper-for-commands")
	ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		testenv.Miss(t, "needs /dev/ptmx: "+err.Error())
	}
	defer ptmx.Close()
	cmd := c.Command("sh", "-c", "test -t 1 && echo terminal >&2; exit 0")
	var words bytes.Buffer
	cmd.Stdout, cmd.Stderr = ptmx, &words
	if err := cmd.Run(); err != nil || words.Len() > 0 {
		t.Errorf("%v %s", err, words.String())
	}
	_, err = runRaw(t, c, privsep.File{File: ptmx})
	if !errors.Is(err, privsep.CodeBadArguments) {
		t.Errorf("a terminal was passed: %v", err)
	}
}

// TestCancelEndsTheTree: what forked twice and called setsid goes too, and another command does not.
func TestCancelEndsTheTree(t *testing.T) {
	for _, helper := range []string{"helper-for-commands", "helper-for-commands-no-cgroup"} {
		t.Run(helper, func(t *testing.T) {
			c := start(t, client.Config{}, helper)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stays, goes := startTree(t, c, t.Context()), startTree(t, c, ctx)
			cancelled := time.Now()
			cancel()
			var exit *client.ExitError
			if err := goes.cmd.Wait(); !errors.As(err, &exit) || exit.Signal() != syscall.SIGKILL {
				t.Errorf("Wait: %v", err)
			}
			first := goes.ended(t).Sub(cancelled)
			for _, pid := range stays.pids {
				if stat, err := os.ReadFile("/proc/" + pid + "/stat"); err != nil || strings.Contains(string(stat), ") Z ") {
					t.Errorf("process %s of the other command has ended: %s %v", pid, stat, err)
				}
			}
			closed := time.Now()
			c.Close()
			second := stays.ended(t).Sub(closed)
			t.Logf("%s: the cancelled tree ended after %v, the other %v after its client", c.Helper().Trees, first, second)
			if first > killedBound || second > killedBound {
				t.Errorf("that is more than %v", killedBound)
			}
		})
	}
}

// tree is a command whose processes escape, all of which write into one pipe.
type tree struct {
	cmd  *client.Cmd
	out  *os.File
	pids []string
}

func startTree(t *testing.T, c *client.Client, ctx context.Context) *tree {
	t.Helper()
	out, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	t.Cleanup(func() { out.Close() })
	tr := &tree{cmd: c.CommandContext(ctx, "sh", "-c", escapees), out: out}
	tr.cmd.Stdout = theirs
	if err := tr.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for range 3 {
		pid, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		tr.pids = append(tr.pids, strings.TrimSpace(pid))
	}
	return tr
}

// ended waits until no process of the tree has the pipe any more.
func (tr *tree) ended(t *testing.T) time.Time {
	t.Helper()
	if err := tr.out.SetReadDeadline(time.Now().Add(10 * killedBound)); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(tr.out); err != nil || len(rest) > 0 {
		t.Errorf("a process lives on: %q, %v", rest, err)
	}
	return time.Now()
}
