package processutils

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"syscall"
	"time"

	"github.com/privhelper/privhelper/internal/mask"
)

// Attempt is one run of a Cmd as every Runner conducts it: logged, timed, captured, masked and judged in the same way. It
// is for authors of a Runner:
//
//	a, err := c.Begin(ctx)
//	if err != nil {
//		return processutils.Result{}, err
//	}
//	… start the command with a.Context, let a.Stdout and a.Stderr have its output, call a.Started …
//	return a.End(status, processutils.StageWait, nil)
type Attempt struct {
	// Context ends with ctx, or with Timeout.
	Context context.Context
	// Stdout and Stderr take the output; the same where it is merged.
	Stdout, Stderr *Capture

	cmd    Cmd
	cancel context.CancelFunc
	began  time.Time
	mask   mask.Masker
	result Result
	stream error
}

// Begin checks the Cmd, logs that it is run, and starts the clock. An error is an *ExecError; there is no End to call then.
func (c Cmd) Begin(ctx context.Context) (*Attempt, error) {
	a := &Attempt{cmd: c, Context: ctx, cancel: func() {}, began: time.Now(), mask: mask.New(c.Secrets...)}
	a.result = Result{Status: Status{Code: -1}, Attempt: 1, mask: a.mask}
	a.Stdout = newCapture(c.Bound, c.Stdout)
	a.Stderr = a.Stdout
	if !c.MergeStderr {
		a.Stderr = newCapture(c.Bound, c.Stderr)
	}
	if err := c.validate(); err != nil {
		return nil, a.fail(StageStart, err)
	}
	if ctx.Err() != nil {
		return nil, a.fail(StageDeadline, ended(ctx))
	}
	if c.Timeout > 0 {
		a.Context, a.cancel = context.WithTimeout(ctx, c.Timeout)
	}
	c.log(ctx, "running command")
	return a, nil
}

// notBegun is the Result beside an error of Begin.
func notBegun() Result { return Result{Status: Status{Code: -1}, Attempt: 1} }

// validate refuses what contradicts itself and what no kernel takes, before anything is started.
func (c *Cmd) validate() error {
	invalid := func(format string, args ...any) error {
		return fmt.Errorf(format+": %w", append(args, syscall.EINVAL)...)
	}
	if len(c.Args) == 0 || c.Args[0] == "" {
		return invalid("there is no program in Args")
	}
	for i, arg := range c.Args {
		if strings.IndexByte(arg, 0) >= 0 {
			return invalid("argument %d holds a NUL byte", i)
		}
	}
	for i, v := range c.Env {
		if name, _, ok := strings.Cut(v, "="); !ok || name == "" || strings.IndexByte(v, 0) >= 0 {
			return invalid("Env[%d] is not NAME=value", i)
		}
	}
	inputs := 0
	for _, given := range []bool{c.Input != nil, c.InputFunc != nil, c.Stdin != nil} {
		if given {
			inputs++
		}
	}
	if inputs > 1 {
		return invalid("more than one of Input, InputFunc and Stdin is set")
	}
	if c.MergeStderr && c.Stderr != nil {
		return invalid("MergeStderr leaves Stderr nothing to receive")
	}
	if c.KeepTerminal && c.Stop.Scope == ScopeGroup {
		return invalid("with KeepTerminal the command's process group is the caller's own")
	}
	return nil
}

// ended is why the context has ended, with the cause that its owner gave.
func ended(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != ctx.Err() {
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return ctx.Err()
}

// Input returns a reader for this attempt's standard input, or nil where there is none to copy: Stdin is the Runner's to
// hand over.
func (a *Attempt) Input() (io.Reader, error) {
	switch {
	case a.cmd.InputFunc != nil:
		r, err := a.cmd.InputFunc()
		if err != nil {
			return nil, fmt.Errorf("make the input: %w", err)
		}
		return r, nil
	case len(a.cmd.Input) > 0:
		return bytes.NewReader(a.cmd.Input), nil
	}
	return nil, nil
}

// Started says that the command runs.
func (a *Attempt) Started(p Process) {
	if a.cmd.OnStart != nil {
		a.cmd.OnStart(p)
	}
}

// Used says what the command used.
func (a *Attempt) Used(u Usage) { a.result.Usage = u }

// Survived says which of its processes live on.
func (a *Attempt) Survived(pids ...int) { a.result.Survivors = append(a.result.Survivors, pids...) }

// StreamFailed says that copying one of the streams failed: the attempt is a failure then although its status is accepted.
func (a *Attempt) StreamFailed(err error) { a.stream = err }

// End judges the attempt: status as the command ended, or the stage and the error by which it failed. An error that is nil
// leaves the judgement to Cmd.Accept; one that comes with StageWait explains the status (an *exec.ExitError) and counts
// only if the status is not accepted. A failure is logged if the Cmd says so, and is an *ExecError.
func (a *Attempt) End(s Status, stage Stage, err error) (Result, error) {
	a.cancel()
	a.result.Status = s
	a.result.Duration = time.Since(a.began)
	a.result.Stdout = a.Stdout.Output()
	if a.Stderr != a.Stdout {
		a.result.Stderr = a.Stderr.Output()
	}
	if a.cmd.OnEnd != nil && stage != StageStart && stage != StageLimit && stage != StageExec {
		a.cmd.OnEnd(a.result)
	}
	a.cmd.log(a.Context, "command ended", slog.Any("result", a.result))
	accepted := a.cmd.accepts(s)
	switch {
	case stage == StageWait && !accepted && err == nil:
		err = errors.New(s.String())
	case stage == StageWait && accepted:
		if err = a.streamError(); err == nil {
			if a.cmd.DiscardWarnings {
				a.result.Stderr = Output{}
			}
			return a.result, nil
		}
	}
	failure := a.fail(stage, err)
	a.cmd.logFailure(a.Context, failure)
	return a.result, failure
}

func (a *Attempt) streamError() error {
	if a.stream != nil {
		return a.stream
	}
	if err := a.Stdout.err(); err != nil {
		return fmt.Errorf("write its standard output: %w", err)
	}
	if err := a.Stderr.err(); err != nil {
		return fmt.Errorf("write its standard error: %w", err)
	}
	return nil
}

func (a *Attempt) fail(stage Stage, err error) *ExecError {
	r := a.result
	r.Stdout, r.Stderr = presentable(a.mask, r.Stdout), presentable(a.mask, r.Stderr)
	return &ExecError{Args: a.mask.Args(a.cmd.Args), Result: r, Stage: stage, Err: maskedError(a.mask, err)}
}

// maskedError replaces the text of an error that would show a secret and keeps what it wraps.
func maskedError(m mask.Masker, err error) error {
	if text := err.Error(); m.Text(text) != text {
		return &saidDifferently{m.Text(text), err}
	}
	return err
}

type saidDifferently struct {
	text string
	err  error
}

func (e *saidDifferently) Error() string { return e.text }
func (e *saidDifferently) Unwrap() error { return e.err }
