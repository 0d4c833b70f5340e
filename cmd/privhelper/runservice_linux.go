package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/pyjson"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
	"github.com/privhelper/privhelper/privsep/command"
)

// forService reports whether `run` goes to a service: where a socket is named, and for who is not root and names no
// configuration, which such a one could not act on.
func forService(args []string) (values map[string]string, argv []string, ok bool) {
	values, argv, err := takeValues(args, "--config", "--socket", "--fence-token")
	if err != nil || values["--config"] != "" {
		return nil, nil, false
	}
	return values, argv, values["--socket"] != "" || os.Geteuid() != 0
}

// dial connects to a service; failed is the exit code where it could not, and was said.
func dial(socket string) (c *client.Client, failed int) {
	c, err := client.Start(context.Background(), client.Config{Launcher: &client.Service{Path: socket}, Logger: slog.New(slog.DiscardHandler)})
	var refused *privsep.CallError
	switch {
	case errors.As(err, &refused) && refused.Code == privsep.CodeDenied:
		return nil, fail(exitUnauthorized, "%s", refused.Message)
	case errors.As(err, &refused):
		return nil, fail(exitBadConfig, "%s", refused.Message)
	case err != nil:
		return nil, fail(exitBadConfig, "%s", strings.TrimPrefix(err.Error(), "start root helper: "))
	}
	return c, 0
}

// runByService is `privhelper run` for who is not root: the service's worker decides and runs, with our own streams, which
// it gets by descriptor. A command never gets the user's terminal but a pty of ours, whose other side we relay.
func runByService(values map[string]string, argv []string) int {
	if len(argv) == 0 {
		return fail(exitNoCommand, "run: no command: privhelper run [--socket PATH] [--fence-token N] [--] CMD [ARG...]")
	}
	token := int64(0)
	if value, given := values["--fence-token"]; given {
		var err error
		if token, err = parseToken(value); err != nil {
			return fail(exitNoCommand, "run: %v", err)
		}
	}
	signals, heeded := heed()
	c, failed := dial(values["--socket"])
	if c == nil {
		return failed
	}
	t, err := newTerminal(os.Getuid())
	if err != nil {
		return fail(exitNotExecutable, "%v", err)
	}
	cmd := c.Command(argv[0], argv[1:]...)
	streams := [3]*os.File{os.Stdin, os.Stdout, os.Stderr}
	for fd := range streams {
		if t != nil && t.replaces[fd] {
			streams[fd] = t.slave
		}
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Pty, cmd.Token = streams[0], streams[1], streams[2], t != nil, token
	if t != nil {
		t.suspend = func() { signals <- unix.SIGTSTP }
	}
	<-heeded
	if err := cmd.Start(); err != nil {
		t.close()
		return refused(argv, err)
	}
	t.start()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			hand(cmd, s.(syscall.Signal), t)
			continue
		case err = <-ended:
		}
		break
	}
	t.finish()
	if exit := new(client.ExitError); err != nil && !errors.As(err, &exit) {
		return refused(argv, err)
	}
	if s := cmd.ProcessState.Signal(); s != 0 {
		interrupted(s)
		return 128 + int(s)
	}
	return cmd.ProcessState.ExitCode()
}

// heed makes the signals that are for the command come to us. It takes up to a millisecond, two changes of thread for each, and
// goes on beside the dialling. heeded is closed when it is done: no command runs before.
func heed() (signals chan os.Signal, heeded <-chan struct{}) {
	signals = make(chan os.Signal, 16)
	done := make(chan struct{})
	go func() {
		for _, s := range forwarded(true) {
			if !signal.Ignored(s) { // nohup(1)
				signal.Notify(signals, s)
			}
		}
		close(done)
	}()
	return signals, done
}

// refused says why a command did not run, or how its service went away.
func refused(argv []string, err error) int {
	var e *privsep.CallError
	switch {
	case !errors.As(err, &e):
		return fail(exitNotExecutable, "%v", err)
	case e.Code == privsep.CodeDenied || e.Code == privsep.CodeFenced:
		return fail(exitUnauthorized, "Unauthorized command: %s (%s)", strings.Join(argv, " "), e.Message)
	case e.Code == privsep.CodeBusy:
		return fail(exitBadConfig, "%s", e.Message)
	}
	return fail(exitNotExecutable, "%s", e.Message)
}

// hand gives a signal to the command. One that stops it stops us too, for the shell that waits for us, until that lets us
// go on.
func hand(cmd *client.Cmd, s syscall.Signal, t *terminal) {
	if cmd.Process == nil { // the helper did the work itself
		return
	}
	switch s {
	case unix.SIGWINCH:
		t.resize()
		return
	case unix.SIGTSTP:
		_ = cmd.Process.Signal(unix.SIGSTOP) // SIGTSTP stops nobody in a session of its own
		t.leave()
		_ = unix.Kill(os.Getpid(), unix.SIGSTOP)
		return
	case unix.SIGCONT:
		t.enter()
		t.resize()
	}
	_ = cmd.Process.Signal(s) // it may have ended by itself
}

// listRules is `privhelper list`: the rules that are for the caller, as the service says.
func listRules(args []string) int {
	values, rest, err := takeValues(args, "--socket")
	if err == nil && len(rest) > 0 {
		err = errors.New("takes no command: privhelper run says whether one is allowed")
	}
	if err != nil {
		return fail(exitNoCommand, "list: %v", err)
	}
	c, failed := dial(values["--socket"])
	if c == nil {
		return failed
	}
	defer c.Close()
	rules, err := command.List.Call(context.Background(), c, struct{}{})
	if err != nil {
		return fail(exitBadConfig, "list: %v", err)
	}
	for _, r := range rules {
		fmt.Printf("%s\t%s\t%s\t%s\t%s\n", r.Name, r.Class, r.RunAs, quoted(r.Exec), pyjson.Strings(nil, r.Args))
	}
	return 0
}
