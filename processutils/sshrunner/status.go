package sshrunner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/crypto/ssh"

	"github.com/privhelper/privhelper/processutils"
)

type signal = os.Signal

// signals are those that the protocol has a name for (RFC 4254, 6.10), which is also kill's.
var signals = map[ssh.Signal]syscall.Signal{
	ssh.SIGABRT: syscall.SIGABRT, ssh.SIGALRM: syscall.SIGALRM, ssh.SIGFPE: syscall.SIGFPE, ssh.SIGHUP: syscall.SIGHUP,
	ssh.SIGILL: syscall.SIGILL, ssh.SIGINT: syscall.SIGINT, ssh.SIGKILL: syscall.SIGKILL, ssh.SIGPIPE: syscall.SIGPIPE,
	ssh.SIGQUIT: syscall.SIGQUIT, ssh.SIGSEGV: syscall.SIGSEGV, ssh.SIGTERM: syscall.SIGTERM, ssh.SIGUSR1: syscall.SIGUSR1,
	ssh.SIGUSR2: syscall.SIGUSR2,
}

// status reads what the server said of the command's end; known is false where it said nothing.
func status(err error) (s processutils.Status, known bool) {
	var exit *ssh.ExitError
	switch {
	case err == nil:
		return s, true
	case !errors.As(err, &exit):
		return processutils.Status{Code: -1}, false
	case exit.Signal() == "":
		return processutils.Status{Code: exit.ExitStatus()}, true
	}
	// Any other is told as "SIG@openssh.com": that there was one is all that is known then.
	return processutils.Status{Code: -1, Signal: signals[ssh.Signal(exit.Signal())]}, true
}

func end(a *processutils.Attempt, err error) (processutils.Result, error) {
	s, known := status(err)
	if !known {
		return a.End(s, processutils.StageLost, fmt.Errorf("the connection ended before the command did: %w", err))
	}
	return a.End(s, processutils.StageWait, err)
}

// endStopped is the end of a command that was stopped because its time was up.
func endStopped(a *processutils.Attempt, err error) (processutils.Result, error) {
	cause := a.Context.Err()
	if own := context.Cause(a.Context); own != cause {
		cause = fmt.Errorf("%w: %w", cause, own)
	}
	s, known := status(err)
	switch {
	case !known:
		cause = fmt.Errorf("%w; whether the command has ended is not known: %w", cause, err)
	case err != nil:
		cause = fmt.Errorf("%w: %w", cause, err)
	}
	return a.End(s, processutils.StageDeadline, cause)
}
