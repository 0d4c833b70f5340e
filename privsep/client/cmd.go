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
//   - The helper decides what runs: there is no Path, Err, Environ, ExtraFiles or SysProcAttr. A refused command fails in
//     Start, with an error that errors.Is finds as fs.ErrPermission; a program that is missing as fs.ErrNotExist.
//   - The command inherits nothing. A nil Env sends nothing; a variable or a Dir that the rule does not allow is refused,
//     never dropped.
//   - The standard streams are descriptors of ours that the command gets itself: the helper copies nothing. A terminal is
//     replaced by a pipe: no privileged program gets one, into which it could type. A nil *os.File is as nil, and a closed
//     one an error of Start.
//   - Kill, and the end of WaitDelay, end all processes of the command, those that left its session included.
//   - Process has no Wait and no Release, String shows the name as it was given, and errors begin with "client:".
type Cmd struct {
	Args []string // the command line, name first
	Env  []string // NAME=value
	Dir  string

	// Stdin, Stdout and Stderr are as in os/exec: nil is /dev/null; an *os.File is passed itself and stays yours, unless
	// it is a terminal; others are copied through a pipe, and Wait waits for that.
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer

	// Token is the fencing token of the lock under which the command is to run, as Held.Token gives it; 0: none. A rule
	// with a fence refuses a command without one, and one that is older than the greatest it has seen; a rule without
	// refuses every token. Each is an error of Start that errors.Is finds as privsep.CodeFenced.
	Token int64

	// Pty passes streams that are terminals themselves, and makes them the command's controlling terminal: they are one side of a
	// pseudo-terminal that was made for this command, whose other side we keep. The user's own terminal must never be it.
	Pty bool

	// Cancel is called when the context of CommandContext ends; it is Process.Kill unless set. Where a Cancel that
	// returned nil, or an error other than os.ErrProcessDone, is followed by success of the command, Wait returns the
	// context's error, or that one. Without CommandContext it must be nil.
	Cancel func() error
	// WaitDelay bounds the wait, from the end of the context or of the command on, for what Cancel did not end, which is
	// then killed, and for copying, whose pipes are then closed. 0: no bound.
	WaitDelay time.Duration

	Process      *Process      // once started; nil where the helper did the work itself
	ProcessState *ProcessState // once it has ended

	client   *Client
	ctx      context.Context // nil: made by Command
	began    bool            // Start was called
	running  bool            // with success
	finished bool
	theirs   []*os.File // ours to close once the command has them
	ours     []io.Closer
	copying  []func() error
	copied   chan error
	ended    chan struct{} // closed when the answer is there
	result   command.Result
	err      error
	watched  chan watched // what watch returned; nil: nobody watches
}

// Command returns a Cmd for the command line.
func (c *Client) Command(name string, args ...string) *Cmd {
	return &Cmd{Args: append([]string{name}, args...), client: c}
}

// CommandContext is Command with a context, whose end kills the command and all its processes. It panics if ctx is nil.
func (c *Client) CommandContext(ctx context.Context, name string, args ...string) *Cmd {
	if ctx == nil {
		panic("client: nil Context")
	}
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

// Output runs the command and returns its standard output. Where Stderr is nil, an *ExitError carries the first and the
// last 32 KiB of what was written to it.
func (c *Cmd) Output() ([]byte, error) {
	if c.Stdout != nil {
		return nil, errors.New("client: Stdout already set")
	}
	var out bytes.Buffer
	c.Stdout = &out
	var words *excerpt
	if c.Stderr == nil {
		words = &excerpt{}
		c.Stderr = words
	}
	err := c.Run()
	var exit *ExitError
	if words != nil && errors.As(err, &exit) {
		exit.Stderr = words.Bytes()
	}
	return out.Bytes(), err
}

// CombinedOutput runs the command and returns its standard output and standard error together.
func (c *Cmd) CombinedOutput() ([]byte, error) {
	if c.Stdout != nil {
		return nil, errors.New("client: Stdout already set")
	}
	if c.Stderr != nil {
		return nil, errors.New("client: Stderr already set")
	}
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return out.Bytes(), err
}

// Start starts the command and returns once it runs; Wait must follow. The error of a command that was refused, or whose
// program is missing, is a *privsep.CallError.
func (c *Cmd) Start() error {
	if c.began {
		return errors.New("client: already started")
	}
	c.began = true
	request := command.Request{Argv: c.Args, Env: c.Env, Dir: c.Dir, Pty: c.Pty}
	if err := c.startable(); err != nil {
		c.release()
		return err
	}
	if err := c.streams(&request); err != nil {
		c.release()
		return err
	}
	var over <-chan struct{} // the end of the command's context
	if c.ctx != nil {
		over = c.ctx.Done()
	}
	started := make(chan *Process, 1)
	c.ended = make(chan struct{})
	// The call itself does not end with ctx: Cancel decides what happens then, as in os/exec.
	ctx, giveUp := context.WithCancel(context.Background())
	go func() {
		defer giveUp()
		caller := &commandCaller{client: c.client, started: func(p *pending, m wire.Started) {
			started <- &Process{Pid: m.PID, Rule: m.Rule, call: p, ended: c.ended}
		}}
		c.result, c.err = command.Run.Call(ctx, privsep.WithToken(caller, c.Token), request)
		close(c.ended)
	}()
	select {
	case c.Process = <-started:
	case <-c.ended:
	case <-over: // it is not known whether it runs: the call's own end tells
		giveUp()
		<-c.ended
	}
	if c.Process == nil {
		select {
		case c.Process = <-started: // it has ended already
		default:
		}
	}
	closeAll(c.theirs)
	c.theirs = nil
	if c.Process == nil && c.err != nil {
		c.release()
		return c.err
	}
	c.running = true
	c.begin()
	if c.Process != nil && over != nil && (c.Cancel != nil || c.WaitDelay > 0) {
		c.watched = make(chan watched, 1)
		go func() { c.watched <- c.watch(giveUp) }()
	}
	return nil
}

func (c *Cmd) startable() error {
	switch {
	case c.ctx != nil:
		return c.ctx.Err()
	case c.Cancel != nil:
		return errors.New("client: command with a non-nil Cancel was not created with CommandContext")
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
