package privrunner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
	"github.com/privhelper/privhelper/processutils"
)

// Runner runs commands by a root helper. It is safe for concurrent use, as its Client is.
//
// What differs from processutils.Local: the command gets nothing of this process, so that Cmd.Env is its whole
// environment, and a variable or a Dir that its rule does not allow is refused; the end of the context ends every process
// of the command, whatever Stop.Scope says, and is certain although they are root's; Limits belong to the policy and are
// refused (errors.ErrUnsupported), and so is KeepTerminal.
//
// Its errors are *processutils.ExecError. A refusal by policy has StageExec and is fs.ErrPermission, a missing program
// StageExec and fs.ErrNotExist; errors.As finds the *client.ExitError of a command that failed and the *privsep.CallError
// of one that did not run, or of which nobody knows (StageLost): such a one is not retried.
type Runner struct {
	// Client is the helper's. Required.
	Client *client.Client
	// Token is the fencing token of the lock under which the commands are to run, as Held.Token gives it; 0: none. It is
	// client.Cmd's: what it is refused for, privsep.CodeFenced, has StageExec and is not retried.
	Token int64
}

// Run runs the command: processutils.Runner.
func (r Runner) Run(ctx context.Context, c processutils.Cmd) (processutils.Result, error) {
	unknown := processutils.Status{Code: -1}
	a, err := c.Begin(ctx)
	if err != nil {
		return processutils.Result{Status: unknown, Attempt: 1}, err
	}
	if c.Limits != (processutils.Limits{}) || c.KeepTerminal {
		return a.End(unknown, processutils.StageStart, fmt.Errorf("Limits and KeepTerminal are not for a command of a root helper: %w", errors.ErrUnsupported))
	}
	cmd := r.Client.CommandContext(a.Context, c.Args[0], c.Args[1:]...)
	cmd.Env, cmd.Dir, cmd.Token = c.Env, c.Dir, r.Token
	if err := streams(cmd, a, c); err != nil {
		return a.End(unknown, processutils.StageStart, err)
	}
	grace := c.Stop.Grace
	switch {
	case grace == 0:
		grace = processutils.DefaultGrace
	case grace < 0:
		grace = time.Nanosecond // 0 is no bound there
	}
	signal := c.Stop.Signal
	if signal == 0 {
		signal = syscall.SIGTERM
	}
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(signal) }, grace
	if err := cmd.Start(); err != nil {
		return a.End(unknown, stageOf(a, err), err)
	}
	a.Started(process(cmd))
	err = cmd.Wait()
	return end(a, cmd, err)
}

// streams hands over what the Cmd names. Files with a negative Bound become the command's own.
func streams(cmd *client.Cmd, a *processutils.Attempt, c processutils.Cmd) error {
	input, err := a.Input()
	if err != nil {
		return err
	}
	cmd.Stdin = input
	if c.Stdin != nil {
		cmd.Stdin = c.Stdin
	}
	cmd.Stdout, cmd.Stderr = a.Stdout, a.Stderr
	if f, ok := c.Stdout.(*os.File); ok && c.Bound < 0 {
		cmd.Stdout = f
	}
	if f, ok := c.Stderr.(*os.File); ok && c.Bound < 0 {
		cmd.Stderr = f
	}
	if c.MergeStderr {
		cmd.Stderr = cmd.Stdout
	}
	return nil
}

func process(cmd *client.Cmd) processutils.Process {
	if cmd.Process == nil { // the helper did the work itself, and has done it
		return processutils.Process{Signal: func(os.Signal) error { return os.ErrProcessDone }}
	}
	return processutils.Process{PID: cmd.Process.Pid, Signal: cmd.Process.Signal}
}

// end judges the attempt by what Wait returned.
func end(a *processutils.Attempt, cmd *client.Cmd, err error) (processutils.Result, error) {
	state := cmd.ProcessState
	if state == nil {
		return a.End(processutils.Status{Code: -1}, stageOf(a, err), err)
	}
	status := processutils.Status{Code: state.ExitCode(), Signal: state.Signal()}
	used := processutils.Usage{User: state.UserTime(), System: state.SystemTime()}
	if u, ok := state.SysUsage().(*syscall.Rusage); ok {
		used.MaxRSS = int64(u.Maxrss) << 10
	}
	a.Used(used)
	var exit *client.ExitError
	switch over := a.Context.Err(); {
	case over != nil && err != nil:
		if !errors.Is(err, over) {
			err = fmt.Errorf("%w: %w", over, err)
		}
		return a.End(status, processutils.StageDeadline, err)
	case err != nil && !errors.As(err, &exit):
		a.StreamFailed(err)
		return a.End(status, processutils.StageWait, err)
	}
	return a.End(status, processutils.StageWait, err)
}

// stageOf says how far a call came that did not end in a status.
func stageOf(a *processutils.Attempt, err error) processutils.Stage {
	var call *privsep.CallError
	switch {
	case a.Context.Err() != nil && errors.Is(err, a.Context.Err()):
		return processutils.StageDeadline
	case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist):
		return processutils.StageExec
	case errors.As(err, &call) && call.Outcome == privsep.Unknown:
		return processutils.StageLost
	}
	return processutils.StageStart
}
