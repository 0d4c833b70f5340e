package client

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/privhelper/privhelper/privsep/command"
	"github.com/privhelper/privhelper/privsep/internal/wire"
)

// A Process is a running command. It belongs to the helper: Pid is what the helper calls it, for people to read.
type Process struct {
	Pid  int
	Rule string // the rule of policy that allowed it

	call  *pending
	ended chan struct{}
}

// Signal sends a signal to the command and those of its processes that stayed in its process group. SIGKILL reaches all
// of them, those that left it included. For a command that has ended the error is os.ErrProcessDone.
func (p *Process) Signal(sig os.Signal) error {
	s, ok := sig.(syscall.Signal)
	if !ok || s <= 0 || s > 64 {
		return fmt.Errorf("client: signal %v is none that can be sent", sig)
	}
	select {
	case <-p.ended:
		return os.ErrProcessDone
	default:
	}
	return p.call.signal(context.Background(), wire.Signal{Signal: s})
}

// Kill ends the command and all its processes.
func (p *Process) Kill() error { return p.Signal(syscall.SIGKILL) }

// ProcessState says how a command ended. Its methods are those of os.ProcessState, and Signal and Rule.
type ProcessState struct{ result command.Result }

// ExitCode returns the exit code, or −1 if a signal ended the command.
func (s *ProcessState) ExitCode() int {
	if s == nil || s.result.Signal != 0 {
		return -1
	}
	return s.result.Code
}

// Exited reports whether the command ended by itself and not by a signal.
func (s *ProcessState) Exited() bool { return s.result.Signal == 0 }

// Success reports whether it ended with exit code 0.
func (s *ProcessState) Success() bool { return s.Exited() && s.result.Code == 0 }

// Signal returns the signal that ended the command, or 0.
func (s *ProcessState) Signal() syscall.Signal { return syscall.Signal(s.result.Signal) }

// Pid returns the process id that the command had for the helper.
func (s *ProcessState) Pid() int { return s.result.PID }

// Rule returns the name of the rule that allowed the command.
func (s *ProcessState) Rule() string { return s.result.Rule }

// UserTime returns the user CPU time of the command and the children it waited for.
func (s *ProcessState) UserTime() time.Duration { return s.result.Usage.User }

// SystemTime returns the system CPU time of the command and the children it waited for.
func (s *ProcessState) SystemTime() time.Duration { return s.result.Usage.System }

// String gives "exit status 1" or "signal: killed", as os.ProcessState does.
func (s *ProcessState) String() string {
	if s == nil {
		return "<nil>"
	}
	if s.Exited() {
		return fmt.Sprintf("exit status %d", s.result.Code)
	}
	text := "signal: " + s.Signal().String()
	if s.result.Core {
		text += " (core dumped)"
	}
	return text
}

// An ExitError says that a command ran and did not succeed.
type ExitError struct {
	*ProcessState
	Stderr []byte // begin and end of its standard error, where Output collected it
}

func (e *ExitError) Error() string { return e.ProcessState.String() }
