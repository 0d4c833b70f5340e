package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/privhelper/privhelper/privsep/client"
)

// anyCmd is what *exec.Cmd and *client.Cmd have in common.
type anyCmd interface {
	Start() error
	Wait() error
	Run() error
	Output() ([]byte, error)
	CombinedOutput() ([]byte, error)
	StdinPipe() (io.WriteCloser, error)
	StdoutPipe() (io.ReadCloser, error)
	StderrPipe() (io.ReadCloser, error)
}

// state is what *os.ProcessState and *client.ProcessState have in common.
type state interface {
	ExitCode() int
	Exited() bool
	Success() bool
	String() string
	Sys() any
	SysUsage() any
}

// fields are those that both have, for a test to set.
type fields struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Cancel         func(signal func(os.Signal) error) error
	NoCancel       bool
	WaitDelay      time.Duration
}

// without is no context: Command in place of CommandContext.
var without context.Context

// maker makes one of the two.
type maker struct {
	make      func(ctx context.Context, f fields, name string, args ...string) anyCmd
	withNil   func() // CommandContext with a nil context
	process   func(anyCmd) (signal func(os.Signal) error)
	state     func(anyCmd) state
	exitState func(error) (s state, stderr []byte, isExitError bool)
}

func (m maker) sh(ctx context.Context, f fields, script string) anyCmd {
	return m.make(ctx, f, "sh", "-c", script)
}

func osExec() maker {
	process := func(c anyCmd) func(os.Signal) error {
		if p := c.(*exec.Cmd).Process; p != nil {
			return p.Signal
		}
		return nil
	}
	return maker{
		make: func(ctx context.Context, f fields, name string, args ...string) anyCmd {
			var c *exec.Cmd
			if ctx == nil {
				c = exec.Command(name, args...)
			} else {
				c = exec.CommandContext(ctx, name, args...)
			}
			c.Env, c.Dir = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, "/"
			c.Stdin, c.Stdout, c.Stderr, c.WaitDelay = f.Stdin, f.Stdout, f.Stderr, f.WaitDelay
			if f.Cancel != nil {
				c.Cancel = func() error { return f.Cancel(process(c)) }
			} else if f.NoCancel {
				c.Cancel = nil
			}
			return c
		},
		withNil: func() { exec.CommandContext(without, "sh") },
		process: process,
		state:   func(c anyCmd) state { return c.(*exec.Cmd).ProcessState },
		exitState: func(err error) (state, []byte, bool) {
			e, ok := err.(*exec.ExitError)
			if !ok {
				return nil, nil, false
			}
			return e.ProcessState, e.Stderr, true
		},
	}
}

func ours(c *client.Client) maker {
	process := func(c anyCmd) func(os.Signal) error {
		if p := c.(*client.Cmd).Process; p != nil {
			return p.Signal
		}
		return nil
	}
	return maker{
		make: func(ctx context.Context, f fields, name string, args ...string) anyCmd {
			var cmd *client.Cmd
			if ctx == nil {
				cmd = c.Command(name, args...)
			} else {
				cmd = c.CommandContext(ctx, name, args...)
			}
			cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = f.Stdin, f.Stdout, f.Stderr, f.WaitDelay
			if f.Cancel != nil {
				cmd.Cancel = func() error { return f.Cancel(process(cmd)) }
			} else if f.NoCancel {
				cmd.Cancel = nil
			}
			return cmd
		},
		withNil: func() { c.CommandContext(without, "sh") },
		process: process,
		state:   func(c anyCmd) state { return c.(*client.Cmd).ProcessState },
		exitState: func(err error) (state, []byte, bool) {
			e, ok := err.(*client.ExitError)
			if !ok {
				return nil, nil, false
			}
			return e.ProcessState, e.Stderr, true
		},
	}
}

// says describes an error as far as the two should agree: its kind, or its text after the package's name.
func (m maker) says(err error) string {
	if s, stderr, isExitError := m.exitState(err); isExitError {
		return fmt.Sprintf("ExitError %q %v, standard error %q", err, s.Sys(), stderr)
	}
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, exec.ErrWaitDelay, os.ErrProcessDone} {
		if err == known {
			return "plain: " + known.Error()
		}
	}
	for _, known := range []error{fs.ErrNotExist, fs.ErrClosed} {
		if errors.Is(err, known) {
			return "is: " + known.Error()
		}
	}
	if err == nil {
		return "no error"
	}
	_, text, _ := strings.Cut(err.Error(), ": ")
	return "error: " + text
}

// TestLikeOsExec runs the same programs through os/exec, which is right by definition, and through a client, and
// compares what they show. What differs on purpose is in the comment of client.Cmd.
func TestLikeOsExec(t *testing.T) {
	c := start(t, client.Config{}, "helper-for-commands")
	for name, show := range likeOsExec {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, got := show(t, osExec()), show(t, ours(c))
			if got != want {
				t.Errorf("\nclient:  %.500s\nos/exec: %.500s", got, want)
			}
		})
	}
}
