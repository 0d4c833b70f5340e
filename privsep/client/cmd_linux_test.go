package client_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
)

// alive counts processes whose command line holds mark. Zombies have none.
func alive(mark string) (pids []string) {
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range all {
		if text, _ := os.ReadFile(f); bytes.Contains(text, []byte(mark)) {
			pids = append(pids, strings.Split(f, "/")[2])
		}
	}
	return pids
}

// longSleep is a number of seconds that no other test's sleep has.
func longSleep() string { return fmt.Sprintf("%d", 100000+rand.IntN(1<<30)) }

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

const tree = "(setsid sh -c 'sleep %[1]s & sleep %[1]s' &) ; sleep %[1]s"

// TestCancelEndsTheTree: what forked twice and called setsid goes too, and another command does not.
func TestCancelEndsTheTree(t *testing.T) {
	for _, helper := range []string{"helper-for-commands", "helper-for-commands-no-cgroup"} {
		t.Run(helper, func(t *testing.T) {
			c := start(t, client.Config{}, helper)
			t.Log(c.Helper().Trees)
			stays, goes := longSleep(), longSleep()
			other := c.Command("sh", "-c", fmt.Sprintf(tree, stays))
			if err := other.Start(); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			cmd := c.CommandContext(ctx, "sh", "-c", fmt.Sprintf(tree, goes))
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			sleeping := func(n string) int { return len(alive("sleep\x00" + n + "\x00")) }
			settles(t, killedBound, "both trees", func() bool { return sleeping(stays) == 3 && sleeping(goes) == 3 })
			cancel()
			var exit *client.ExitError
			if err := cmd.Wait(); !errors.As(err, &exit) || exit.Signal() != syscall.SIGKILL {
				t.Errorf("Wait: %v", err)
			}
			settles(t, killedBound, "the cancelled tree is gone", func() bool { return sleeping(goes) == 0 })
			if n := sleeping(stays); n != 3 {
				t.Errorf("%d processes of the other command live", n)
			}
			c.Close()
			settles(t, killedBound, "the other tree is gone with its helper", func() bool { return sleeping(stays) == 0 })
		})
	}
}
