package client_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
	"github.com/privhelper/privhelper/privsep/confine"
)

// The scripts of commands that are to be ended. Each writes lines when it is what it is meant to be. Those who outlived a
// failed test would end by themselves.
const (
	// escapees forked twice and called setsid; one is a child of the other. Each of the three writes its pid.
	escapees = `(setsid sh -c 'sh -c "echo \$\$; exec sleep 60" & echo $$; exec sleep 60' &); echo $$; exec sleep 60`
	// bomb: chains in which every process forks the next and ends at once, within and without its session, so that a list
	// of processes is outdated when it is read; and a tree of 127. At most 133 at one time.
	bomb = `m() { [ $1 = 0 ] || m $(($1-1)) & }; t() { [ $1 = 0 ] || { t $(($1-1)) & t $(($1-1)) & }; sleep 60; }
m 20000; m 20000; m 20000; setsid sh -c 'm() { [ $1 = 0 ] || m $(($1-1)) & }; m 20000; m 20000' & t 6 & echo; exec sleep 60`
)

// victim is a service that is killed: at any time by others, or by itself after a number of messages. Arguments: the
// helper's program and name, "bomb" or "", and the number of messages after which it kills itself, 0 for never.
//
// It speaks with its helper about all that can be spoken of, leaves two commands running, and says on standard output
// "dying" and the time of the kernel's clock, or "spoke" and the number of messages.
func victim(args []string) error {
	program, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	last, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	tap := &client.Tap{Launcher: &client.Direct{Path: program, Args: args[1:2]}, After: func(n int) {
		if n == last {
			fmt.Println("dying", now().Nanoseconds())
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}}
	root := os.Geteuid() == 0
	if !root {
		tap.Launcher = &client.UserNamespace{Path: program, Args: args[1:2]}
	}
	c, err := client.Start(context.Background(), client.Config{Launcher: tap, Contexts: []*privsep.Context{net}})
	if err != nil {
		return err
	}
	if root {
		if err := confine.Become(confine.User{UID: testenv.Nobody, GID: testenv.Nobody}); err != nil {
			return err
		}
	}
	if err := converse(c, args[2] == "bomb"); err != nil {
		return err
	}
	if last == 0 {
		fmt.Println("spoke", tap.Passed())
	}
	for { // whoever kills at a random time meets a helper that forks
		if err := c.Command("sh", "-c", "true").Run(); err != nil {
			return err
		}
	}
}

// now is the kernel's monotonic clock, the same in all processes.
func now() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err)
	}
	return time.Duration(ts.Nano())
}

// converse has every kind of message pass, and leaves commands behind that run.
func converse(c *client.Client, withBomb bool) error {
	ctx := context.Background()
	if _, err := pid.Call(ctx, c, privsep.Void{}); err != nil {
		return err
	}
	f, err := echo.Call(ctx, c, privsep.File{File: os.Stdin})
	if err != nil {
		return err
	}
	f.Close()
	if err := untilLines(3, c.Command("sh", "-c", escapees)); err != nil {
		return err
	}
	trap := c.Command("sh", "-c", "trap 'exit 7' USR1; echo; while :; do sleep 0.01; done")
	if err := untilLines(1, trap); err != nil {
		return err
	}
	if err := trap.Process.Signal(syscall.SIGUSR1); err != nil {
		return err
	}
	var exit *client.ExitError
	if err := trap.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 7 {
		return fmt.Errorf("the trap: %w", err)
	}
	short, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
	defer cancel()
	if _, err := wait.Call(short, c, noteArgs{}); !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("a call that is cancelled: %w", err)
	}
	if withBomb {
		return untilLines(1, c.Command("sh", "-c", bomb))
	}
	return nil
}

// untilLines starts a command and waits for so many lines that it writes.
func untilLines(n int, cmd *client.Cmd) error {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewReader(out)
	for range n {
		if _, err = lines.ReadString('\n'); err != nil {
			return err
		}
	}
	return nil
}
