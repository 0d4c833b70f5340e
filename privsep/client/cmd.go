package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/command"
	"github.com/privhelper/privhelper/privsep/internal/wire"
)

// A Cmd is one command to be run by the helper, if its policy allows it. It is shaped as os/exec's and used the same
// way; like that, it is used once. What differs:
//
//   - The helper decides what runs: there is no Path, no ExtraFiles, no SysProcAttr. A refused command fails in Start,
//     with an error that errors.Is finds as fs.ErrPermission; a program that is missing as fs.ErrNotExist.
//   - The command inherits nothing. A nil Env sends nothing; a variable or a Dir that the rule does not allow is refused,
//     never dropped.
//   - The standard streams are descriptors of ours that the command gets itself: the helper copies nothing.
type Cmd struct {
	Args []string // the command line, name first
	Env  []string // NAME=value
	Dir  string

	// Stdin, Stdout and Stderr are as in os/exec: nil is /dev/null; an *os.File is passed itself and stays yours, unless
	// it is a terminal, which no privileged program gets; others are copied through a pipe.
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer

	// Cancel is called when the context of CommandContext ends; it is Process.Kill unless set.
	Cancel func() error
	// WaitDelay bounds the wait for copying and for the helper's answer once the command is gone or its context has
	// ended. 0: no bound, as in os/exec.
	WaitDelay time.Duration

	Process      *Process      // once started; nil where the helper did the work itself
	ProcessState *ProcessState // once it has ended

	client   *Client
	ctx      context.Context
	began    bool
	finished bool
	theirs   []*os.File // ours to close once the command has them
	ours     []io.Closer
	copying  []func() error
	copied   chan error
	ended    chan struct{} // closed when the answer is there
	result   command.Result
	err      error
	stderr   *tail
}

// Command returns a Cmd for the command line.
func (c *Client) Command(name string, args ...string) *Cmd {
	return &Cmd{Args: append([]string{name}, args...), client: c, ctx: context.Background()}
}

// CommandContext is Command with a context, whose end kills the command and all its processes.
func (c *Client) CommandContext(ctx context.Context, name string, args ...string) *Cmd {
	cmd := c.Command(name, args...)
	cmd.ctx = ctx
	cmd.Cancel = func() error { return cmd.Process.Kill() }
	return cmd
}

// String returns the command line for a person to read.
func (c *Cmd) String() string { return strings.Join(c.Args, " ") }

// Run starts the command and waits for it.
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Output runs the command and returns its standard output. Where Stderr is nil, an *ExitError carries the end of it.
func (c *Cmd) Output() ([]byte, error) {
	if c.Stdout != nil {
		return nil, errors.New("client: Stdout already set")
	}
	var out bytes.Buffer
	c.Stdout = &out
	if c.Stderr == nil {
		c.stderr = &tail{}
		c.Stderr = c.stderr
	}
	err := c.Run()
	var exit *ExitError
	if c.stderr != nil && errors.As(err, &exit) {
		exit.Stderr = c.stderr.bytes
	}
	return out.Bytes(), err
}

// CombinedOutput runs the command and returns its standard output and standard error together.
func (c *Cmd) CombinedOutput() ([]byte, error) {
	if c.Stdout != nil || c.Stderr != nil {
		return nil, errors.New("client: Stdout or Stderr already set")
	}
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return out.Bytes(), err
}

// tail keeps the end of what is written to it.
type tail struct{ bytes []byte }

const maxTail = 64 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.bytes = append(t.bytes, p...)
	if over := len(t.bytes) - maxTail; over > 0 {
		t.bytes = append(t.bytes[:0], t.bytes[over:]...)
	}
	return len(p), nil
}

// Start starts the command and returns once it runs. The error of a command that was refused, or whose program is
// missing, is a *privsep.CallError.
func (c *Cmd) Start() error {
	if c.began {
		return errors.New("client: command already started")
	}
	c.began = true
	request := command.Request{Argv: c.Args, Env: c.Env, Dir: c.Dir}
	if err := errors.Join(c.ctx.Err(), c.streams(&request)); err != nil {
		c.release()
		return err
	}
	started := make(chan *Process, 1)
	c.ended = make(chan struct{})
	// The call itself does not end with ctx: Cancel decides what happens then, as in os/exec.
	ctx, giveUp := context.WithCancel(context.WithoutCancel(c.ctx))
	go func() {
		defer giveUp()
		caller := &commandCaller{client: c.client, started: func(p *pending, m wire.Started) {
			started <- &Process{Pid: m.PID, Rule: m.Rule, call: p, ended: c.ended}
		}}
		c.result, c.err = command.Run.Call(ctx, caller, request)
		close(c.ended)
	}()
	select {
	case c.Process = <-started:
	case <-c.ended:
		select {
		case c.Process = <-started: // it ended at once
		default:
		}
	case <-c.ctx.Done(): // it is not known whether it runs: the call's own end tells
		giveUp()
		<-c.ended
	}
	closeAll(c.theirs)
	c.theirs = nil
	if c.Process == nil && c.err != nil {
		c.release()
		return c.err
	}
	c.begin()
	if c.Process != nil && c.ctx.Done() != nil {
		go c.watch(giveUp)
	}
	return nil
}

// commandCaller is a Caller that hears of the start of the command.
type commandCaller struct {
	client  *Client
	started func(*pending, wire.Started)
}

func (c *commandCaller) Do(ctx context.Context, r privsep.Request) (privsep.Answer, error) {
	return c.client.do(ctx, r, c.started)
}

// watch calls Cancel when the context ends, and gives the call up if that did not help within WaitDelay.
func (c *Cmd) watch(giveUp func()) {
	select {
	case <-c.ended:
		return
	case <-c.ctx.Done():
	}
	if c.Cancel != nil {
		_ = c.Cancel()
	}
	if c.WaitDelay > 0 {
		timer := time.NewTimer(c.WaitDelay)
		defer timer.Stop()
		select {
		case <-c.ended:
		case <-timer.C:
			giveUp()
		}
	}
}

// Wait waits for the command and for the copying of its streams. A command that did not succeed gives an *ExitError; a
// connection that broke gives a *privsep.CallError.
func (c *Cmd) Wait() error {
	if !c.began || c.ended == nil {
		return errors.New("client: not started")
	}
	if c.finished {
		return errors.New("client: Wait was already called")
	}
	c.finished = true
	<-c.ended
	err := c.err
	if err == nil {
		c.ProcessState = &ProcessState{result: c.result}
		if !c.ProcessState.Success() {
			err = &ExitError{ProcessState: c.ProcessState}
		}
	}
	if copyErr := c.finish(); err == nil {
		err = copyErr
	}
	return err
}
