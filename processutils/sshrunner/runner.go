package sshrunner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/privhelper/privhelper/processutils"
)

// Runner runs commands over one connection; Dial makes it. It is safe for concurrent use.
//
// The remote user's shell must be a POSIX one. What differs from processutils.Local:
//
//   - Cmd.Env is set as far as the server allows (AcceptEnv of sshd_config): a variable that it refuses is an *EnvError,
//     and the command does not run. OnlyEnv, Limits and KeepTerminal are refused (errors.ErrUnsupported); Drain does not
//     count.
//   - Stop reaches the command's process group on the other machine, by kill(1) over the same connection (sshd signals no
//     session of root's); then the session is closed. What left the group lives on, unreported.
//   - A program that is missing is the shell's exit code 127.
//   - A connection that breaks while the command runs is StageLost: it may have run, and is not retried.
//
// errors.As finds the *ssh.ExitError of a command that failed.
type Runner struct{ client *ssh.Client }

// EnvError says that the server does not accept a variable.
type EnvError struct{ Name string }

func (e *EnvError) Error() string {
	return fmt.Sprintf("the server refused the variable %s: it needs `AcceptEnv %s` in its sshd_config", e.Name, e.Name)
}

// Close closes the connection; commands that run on it end with StageLost.
func (r *Runner) Close() error { return r.client.Close() }

// Run runs the command: processutils.Runner.
func (r *Runner) Run(ctx context.Context, c processutils.Cmd) (processutils.Result, error) {
	unknown := processutils.Status{Code: -1}
	a, err := c.Begin(ctx)
	if err != nil {
		return processutils.Result{Status: unknown, Attempt: 1}, err
	}
	if c.OnlyEnv || c.KeepTerminal || c.Limits != (processutils.Limits{}) {
		return a.End(unknown, processutils.StageStart, fmt.Errorf("OnlyEnv, KeepTerminal and Limits are not for a command over SSH: %w", errors.ErrUnsupported))
	}
	session, err := r.client.NewSession()
	if err != nil {
		return a.End(unknown, processutils.StageStart, fmt.Errorf("open a session: %w", err))
	}
	defer session.Close()
	if err := setEnv(session, c.Env); err != nil {
		return a.End(unknown, processutils.StageStart, err)
	}
	remote := newRemote(r.client, a.Stderr)
	session.Stdout, session.Stderr = a.Stdout, remote
	feed, err := feeder(session, a, c)
	if err != nil {
		return a.End(unknown, processutils.StageStart, err)
	}
	if err := session.Start(remote.line(c)); err != nil {
		return a.End(unknown, processutils.StageStart, fmt.Errorf("start the command: %w", err))
	}
	over := make(chan error, 1)
	go func() { over <- session.Wait() }()
	fed := make(chan error, 1)
	go func() { fed <- feed() }()
	select {
	case <-remote.known:
		a.Started(processutils.Process{PID: remote.pid, Signal: remote.signal})
	case err = <-over: // it has ended without a word, or the connection has
		over <- err
	case <-a.Context.Done():
	}
	select {
	case err = <-over:
		remote.unstarted()
	case <-a.Context.Done():
		return endStopped(a, remote.stop(session, c.Stop, over))
	}
	select {
	case inputErr := <-fed:
		if inputErr != nil {
			a.StreamFailed(fmt.Errorf("read its input: %w", inputErr))
		}
	default: // a Read of it hangs, or the command left its input unread
	}
	return end(a, err)
}

func setEnv(session *ssh.Session, env []string) error {
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		if err := session.Setenv(name, value); err != nil {
			return &EnvError{name}
		}
	}
	return nil
}

// feeder returns the function that copies the input. That the command does not want all of it is no error.
func feeder(session *ssh.Session, a *processutils.Attempt, c processutils.Cmd) (func() error, error) {
	input, err := a.Input()
	if err != nil {
		return nil, err
	}
	if c.Stdin != nil {
		input = c.Stdin
	}
	if input == nil {
		return func() error { return nil }, nil
	}
	pipe, err := session.StdinPipe()
	if err != nil {
		return nil, err
	}
	return func() error {
		read := &readError{r: input}
		_, _ = io.Copy(pipe, read)
		_ = pipe.Close()
		if closer, ok := input.(io.Closer); ok && c.Stdin == nil {
			_ = closer.Close()
		}
		return read.err
	}, nil
}

// readError tells the errors of reading from those of writing.
type readError struct {
	r   io.Reader
	err error
}

func (r *readError) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}
