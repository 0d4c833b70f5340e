package client_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
	"github.com/privhelper/privhelper/privsep/confine"
)

func TestRestart(t *testing.T) {
	c := start(t, client.Config{Contexts: []*privsep.Context{net}}, "helper")
	seen := map[int]bool{}
	for range 3 {
		if _, err := pid.Call(t.Context(), c, privsep.Void{}); err != nil {
			t.Fatal(err)
		}
		if n := c.Helper().PID; seen[n] {
			t.Errorf("helper %d again", n)
		} else {
			seen[n] = true
		}
		_, err := crash.Call(t.Context(), c, privsep.Void{})
		if !errors.Is(err, privsep.CodeLost) || outcome(err) != "unknown" {
			t.Fatalf("the call in which the helper died: %v, outcome %s", err, outcome(err))
		}
	}
	c.Close()
	_, err := pid.Call(t.Context(), c, privsep.Void{})
	if !errors.Is(err, fs.ErrClosed) || outcome(err) != "not sent" {
		t.Errorf("after Close: %v, outcome %s", err, outcome(err))
	}
}

func TestStartFails(t *testing.T) {
	program := testenv.Child(t, "").Path
	sudo := filepath.Join(t.TempDir(), "sudo") // what it is called decides what the error says to write
	if err := os.Symlink("/usr/bin/env", sudo); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		launcher client.Launcher
		contexts []*privsep.Context
		timeout  time.Duration // of the start
		deadline time.Duration // of the caller
		want     []string
		is       error
	}{
		"says nothing": {launcher: launcher(t, "silent"), timeout: 300 * time.Millisecond,
			want: []string{"did not say that it serves within StartTimeout, 300ms", "Password:"}, is: client.ErrStartTimeout},
		"asks for a password": {launcher: &client.Prefix{Command: []string{sudo}, Path: program, Args: []string{"silent"}}, timeout: 300 * time.Millisecond,
			want: []string{"within StartTimeout, 300ms", "Password:", "write into /etc/sudoers.d/privhelper:", "ALL=(root) NOPASSWD: " + program + " silent\n"},
			is:   client.ErrStartTimeout},
		"the caller gives up": {launcher: launcher(t, "silent"), deadline: 300 * time.Millisecond,
			want: []string{"context deadline exceeded"}, is: context.DeadlineExceeded},
		"exits with text":    {launcher: launcher(t, "refuse"), want: []string{"it ended before it served", "sorry, not today"}},
		"no program":         {launcher: &client.Prefix{Command: []string{"/nonexistent/sudo"}, Path: "/nonexistent/helper"}, want: []string{"no such file"}, is: fs.ErrNotExist},
		"missing entrypoint": {launcher: launcher(t, "helper"), contexts: []*privsep.Context{absent}, want: []string{"no entrypoint absent.missing"}},
		"other types":        {launcher: launcher(t, "helper"), contexts: []*privsep.Context{differs}, want: []string{"entrypoint net.pid has other types"}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			if test.deadline > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, test.deadline)
				defer cancel()
			}
			before := time.Now()
			c, err := client.Start(ctx, client.Config{Launcher: test.launcher, Contexts: test.contexts, StartTimeout: test.timeout})
			if err == nil {
				c.Close()
				t.Fatal("it started")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in: %v", want, err)
				}
			}
			for _, e := range []error{client.ErrStartTimeout, context.DeadlineExceeded, fs.ErrNotExist} {
				if got := errors.Is(err, e); got != (e == test.is) {
					t.Errorf("errors.Is(%v) is %v: %v", e, got, err)
				}
			}
			if took := time.Since(before); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// TestConfined reads every thread of a helper with entrypoints only and a user of its own.
func TestConfined(t *testing.T) {
	testenv.NeedRoot(t)
	c := start(t, client.Config{Contexts: []*privsep.Context{net}}, "helper-of-a-user")
	if _, err := pid.Call(t.Context(), c, privsep.Void{}); err != nil {
		t.Fatal(err)
	}
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", c.Helper().PID))
	if err != nil || len(tasks) < 2 {
		t.Fatalf("%d threads, %v", len(tasks), err)
	}
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"CapPrm:\t0000000000001000\n", "CapEff:\t0000000000001000\n", "CapBnd:\t0000000000001000\n",
			"CapInh:\t0000000000000000\n", "CapAmb:\t0000000000000000\n", "NoNewPrivs:\t1\n",
			"Uid:\t4321\t4321\t4321\t4321\n", "Gid:\t4322\t4322\t4322\t4322\n", "Groups:\t \n"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s: no %q in\n%s", task, want, text)
			}
		}
	}
}

// TestStarter: a service that was root and became nobody gets a new helper that is root.
func TestStarter(t *testing.T) {
	testenv.NeedRoot(t)
	if out := testenv.Output(t, testenv.Child(t, "service-as-nobody")); string(out) != "ok\n" {
		t.Errorf("%s", out)
	}
}

func serviceAsNobody([]string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := client.Start(ctx, client.Config{Launcher: &client.Direct{Path: self, Args: []string{"helper"}}, Contexts: []*privsep.Context{net}})
	if err != nil {
		return err
	}
	if err := confine.Become(confine.User{UID: testenv.Nobody, GID: testenv.Nobody}); err != nil {
		return err
	}
	first := c.Helper().PID
	if _, err := crash.Call(ctx, c, privsep.Void{}); outcome(err) != "unknown" {
		return fmt.Errorf("crash: %w", err)
	}
	if _, err := pid.Call(ctx, c, privsep.Void{}); err != nil {
		return err
	}
	h := c.Helper()
	if h.PID == first || h.UID != 0 || h.Keep != privsep.Caps(privsep.CAP_NET_ADMIN) {
		return fmt.Errorf("the second helper is %+v", h)
	}
	if err := syscall.Kill(h.PID, 0); !errors.Is(err, syscall.EPERM) {
		return fmt.Errorf("we may signal the helper: %v", err)
	}
	pidfd, err := unix.PidfdOpen(h.PID, 0)
	if err != nil {
		return err
	}
	defer unix.Close(pidfd)
	c.Close()
	// Its end of the pipe closes a moment before the kernel calls it ended.
	ended := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	if n, err := unix.Poll(ended, 10_000); n != 1 {
		return fmt.Errorf("after Close the helper lives: %v", err)
	}
	fmt.Println("ok")
	return nil
}
