package processutils

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/privhelper/privhelper/internal/mask"
)

var (
	// ErrNoRootHelper is what Prefix returns where root is needed and no command that gives it is configured (oslo's
	// NoRootWrapSpecified).
	ErrNoRootHelper = errors.New("the command needs root, and no root helper is configured")
	// ErrNoLimits says that a command with Limits cannot be started: ptrace is forbidden, or useless for a program that
	// gains privileges, and prlimit(1) of util-linux is not installed.
	ErrNoLimits = errors.New("no way to set limits: ptrace is not possible for this program, and prlimit(1) is not installed")
	// ErrNoCgroup says that ScopeCgroup is not to be had; the text says why.
	ErrNoCgroup = errors.New("no cgroup2 folder for the command")
	// ErrDrain says that the command has ended, and that something else held its output streams until Timeout or ctx ended.
	ErrDrain = errors.New("a process that it left behind held its output")
)

// Stage is how far an attempt came before it failed.
type Stage string

const (
	StageStart    Stage = "start"    // the Cmd is wrong, or there is no pipe, process, folder or connection to be had
	StageLimit    Stage = "limit"    // a limit cannot be set
	StageExec     Stage = "exec"     // the program cannot be executed: missing, not permitted, busy; or refused by policy
	StageWait     Stage = "wait"     // it ran, and ended in a way that is not accepted, or its streams failed
	StageDeadline Stage = "deadline" // Timeout or ctx ended first
	StageLost     Stage = "lost"     // the connection to what ran it broke: it may or may not have run
)

// ExecError is the failure of one attempt. Nothing in it is secret: command line and outputs are masked, the outputs
// bounded to the first and last 16 KiB, so that it can be logged and printed in any form.
//
// errors.Is finds context.DeadlineExceeded and context.Canceled where Timeout or ctx ended the command, exec.ErrNotFound
// for a missing program, fs.ErrPermission for one that may not be executed, and the errno beneath; errors.As finds an
// *exec.ExitError from Local, and what the Runner's own package says from another.
type ExecError struct {
	Args []string // masked
	Result
	Stage Stage
	Err   error
}

// ExitCode is the exit code, or −1 where the command did not start or a signal ended it.
func (e *ExecError) ExitCode() int { return e.Result.Code }

// Signal is the signal that ended the command, or 0.
func (e *ExecError) Signal() syscall.Signal { return e.Result.Signal }

// Sys is Status.Sys.
func (e *ExecError) Sys() any { return e.Result.Sys }

func (e *ExecError) Unwrap() error { return e.Err }

// Is makes a missing program exec.ErrNotFound however it was named: os/exec does so for a name without a slash alone.
func (e *ExecError) Is(target error) bool {
	return target == exec.ErrNotFound && e.Stage == StageExec && errors.Is(e.Err, fs.ErrNotExist)
}

// Error is one line: the command, what failed, and the end of what it said.
func (e *ExecError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "run %s: %v", Quote(e.Args), e.Err)
	if e.Attempt > 1 {
		fmt.Fprintf(&b, " (attempt %d)", e.Attempt)
	}
	if len(e.Survivors) > 0 {
		fmt.Fprintf(&b, "; still running: %s", strings.Trim(fmt.Sprint(e.Survivors), "[]"))
	}
	for _, o := range []struct {
		name string
		out  Output
	}{{"stderr", e.Stderr}, {"stdout", e.Stdout}} {
		if text := strings.TrimSpace(end(o.out)); text != "" {
			fmt.Fprintf(&b, "; %s: %q", o.name, text)
			break
		}
	}
	return b.String()
}

// end is the last kilobyte of an output.
func end(o Output) string {
	const most = 1024
	s := o.Tail
	if o.Omitted == 0 {
		s = o.Head
	}
	if len(s) <= most {
		return string(s)
	}
	s = s[len(s)-most:]
	for len(s) > 0 && !utf8.RuneStart(s[0]) {
		s = s[1:]
	}
	return "…" + string(s)
}

// errorBound is how much of each output an ExecError carries.
const errorBound = 32 << 10

// presentable masks an output and cuts it to errorBound. It is cut at line ends, before what stands beside the gap can
// show half a secret.
func presentable(m mask.Masker, o Output) Output {
	head, tail := string(o.Head), string(o.Tail)
	omitted := o.Omitted
	if omitted == 0 && len(head) > errorBound {
		head, tail = head[:errorBound/2], head[len(head)-errorBound/2:]
		omitted = o.Len() - errorBound
	}
	if omitted == 0 {
		return Output{Head: []byte(m.Text(head))}
	}
	if len(head) > errorBound/2 {
		head = head[:errorBound/2]
	}
	if len(tail) > errorBound/2 {
		tail = tail[len(tail)-errorBound/2:]
	}
	head, tail = m.Cut(head, tail)
	return Output{Head: []byte(m.Text(head)), Omitted: o.Len() - int64(len(head)+len(tail)), Tail: []byte(m.Text(tail))}
}
