package rootwrap

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/internal/spawn"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/command"
	"github.com/privhelper/privhelper/privsep/daemon"
	"github.com/privhelper/privhelper/privsep/daemon/audit"
)

// handle is a filtered command from its request to its end: decide, write it down, then act, and act on the verdict only.
func (c *Commands) handle(ctx context.Context, r command.Request) (command.Result, error) {
	request := filters.Request{Argv: r.Argv, Env: r.Env, Dir: r.Dir}
	v := c.loaded.Policy.Decide(c.loaded.Machine, request)
	defer v.Close()
	ready, err := c.ready(v, r)
	defer ready.close()
	entry := audit.Entry{PID: c.peer.PID, UID: c.peer.UID, Policy: c.loaded.Policy.Hash(), Request: request, Verdict: v, Err: err}
	c.audit.Decision(entry)
	switch {
	case v.Outcome != filters.Match:
		return command.Result{}, refusal(v)
	case err != nil:
		return command.Result{}, err
	case v.Kill != nil:
		return command.Result{Rule: v.Rule.Name, Code: SignalProcess(v, r.Stderr.File)}, nil
	}
	p, err := c.start(ctx, ready)
	if err != nil {
		c.audit.NotStarted(entry, err)
		return command.Result{}, startError(err)
	}
	return c.serve(ctx, v, p)
}

// refusal words a verdict that is none to act on. It tells the client its own argument and nothing of the machine.
func refusal(v filters.Verdict) error {
	if v.Outcome == filters.NotExecutable {
		return &privsep.CallError{Code: privsep.CodeNotExecutable, Outcome: privsep.Answered,
			Message: fmt.Sprintf("rule %s allows it, but its program is missing or not to be trusted", v.Rule.Name)}
	}
	text := "no rule of the policy allows this command"
	if len(v.Near) > 0 {
		if near := v.Near[0]; near.Rule != nil {
			text += fmt.Sprintf("; rule %s came near", near.Rule.Name)
		}
		if told := v.Near[0].Told; told != "" {
			text += ": " + told
		}
	}
	return &privsep.CallError{Code: privsep.CodeDenied, Outcome: privsep.Answered, Message: text}
}

// ready is a command that lacks nothing but its start.
type ready struct {
	forker *spawn.Forker
	cmd    spawn.Command
	input  *os.File // what the helper itself has opened
}

func (r ready) close() {
	if r.input != nil {
		r.input.Close()
	}
}

// ready makes of a verdict what is to be started: all that can be refused before it is.
func (c *Commands) ready(v filters.Verdict, r command.Request) (ready, error) {
	if v.Outcome != filters.Match || v.Kill != nil {
		return ready{}, nil
	}
	for name, f := range map[string]privsep.File{"standard input": r.Stdin, "standard output": r.Stdout, "standard error": r.Stderr} {
		if f.File != nil && isTerminal(f.File) {
			return ready{}, &privsep.CallError{Code: privsep.CodeBadArguments, Outcome: privsep.Answered,
				Message: name + " is a terminal, into which the command could type (TIOCSTI): pass a pipe"}
		}
	}
	forker, cmd, err := c.prepare(v)
	if err != nil {
		return ready{}, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = r.Stdin.File, r.Stdout.File, r.Stderr.File
	if v.Stdin == "" {
		return ready{forker: forker, cmd: cmd}, nil
	}
	in, err := OpenRegular(v.Stdin)
	if err != nil {
		return ready{}, &privsep.CallError{Code: privsep.CodeFailed, Errno: syscall.EACCES, Outcome: privsep.Answered,
			Message: "the file that rule " + v.Rule.Name + " allows to read cannot be opened"}
	}
	cmd.Stdin = in
	return ready{forker: forker, cmd: cmd, input: in}, nil
}

// start starts a command, unless its client has stopped waiting for it.
func (c *Commands) start(ctx context.Context, r ready) (*spawn.Process, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return c.group.Start(ctx, r.forker, r.cmd)
}

// serve tells the client of its command and waits for it. When ctx ends, so do all its processes.
func (c *Commands) serve(ctx context.Context, v filters.Verdict, p *spawn.Process) (command.Result, error) {
	daemon.Started(ctx, p.Pid, v.Rule.Name)
	killed := c.attend(ctx, p)
	status, err := p.Wait()
	if err != nil {
		return command.Result{}, err
	}
	if v.Rule.Detached && status.Code == 0 {
		if pids, err := p.LetGo(); err != nil {
			daemon.Log(ctx).Warn("what the command left behind could not be let go", "rule", v.Rule.Name, "error", err)
		} else if len(pids) > 0 {
			daemon.Log(ctx).Info("let go: outlives this helper (lifetime = detached)", "rule", v.Rule.Name, "pids", pids)
		}
	}
	if killed {
		return command.Result{}, context.Cause(ctx)
	}
	return result(p.Pid, v.Rule.Name, status), nil
}

// attend forwards the client's signals while the command runs, and ends its whole tree when ctx ends. It reports whether
// that was so.
func (c *Commands) attend(ctx context.Context, p *spawn.Process) (killed bool) {
	for {
		select {
		case <-p.Done():
			return false
		case sig := <-daemon.Signals(ctx):
			if err := p.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
				daemon.Log(ctx).Warn("signal", "signal", sig.String(), "error", err)
			}
		case <-ctx.Done():
			select {
			case <-p.Done(): // both at once: it has ended in order, and what it leaves may outlive ctx
				return false
			default:
			}
			if err := p.KillTree(); err != nil {
				daemon.Log(ctx).Error("ending the command", "error", err)
			}
			return true
		}
	}
}

// startError words what the kernel says of a program without telling paths that the client has not named.
func startError(err error) error {
	e := privsep.ErrorFrom(command.Run.Name(), err)
	if errors.Is(err, fs.ErrNotExist) {
		e.Code = privsep.CodeNotExecutable
	}
	return e
}

func result(pid int, rule string, s spawn.Status) command.Result {
	ru := s.Rusage
	return command.Result{PID: pid, Rule: rule, Code: s.Code, Signal: int(s.Signal), Core: s.CoreDumped, Usage: command.Usage{
		User: time.Duration(ru.Utime.Nano()), System: time.Duration(ru.Stime.Nano()), MaxRSS: int64(ru.Maxrss),
		Minflt: int64(ru.Minflt), Majflt: int64(ru.Majflt), Inblock: int64(ru.Inblock), Oublock: int64(ru.Oublock),
		Nvcsw: int64(ru.Nvcsw), Nivcsw: int64(ru.Nivcsw)}}
}

// SignalProcess does what kill(1) would, on the very process that was judged, and returns kill's exit code. Its words
// go to stderr, which may be nil.
func SignalProcess(v filters.Verdict, stderr *os.File) int {
	err := v.Kill.Process.Signal(v.Kill.Signal)
	if err == nil {
		return 0
	}
	if stderr != nil {
		var errno syscall.Errno
		errors.As(err, &errno)
		fmt.Fprintf(stderr, "kill: (%s): %s\n", v.Argv[len(v.Argv)-1], words(errno))
	}
	return 1
}

// words are the C library's for the errors that kill(2) has.
func words(errno syscall.Errno) string {
	switch errno {
	case unix.ESRCH:
		return "No such process"
	case unix.EPERM:
		return "Operation not permitted"
	case unix.EINVAL:
		return "Invalid argument"
	}
	return "error " + strconv.Itoa(int(errno))
}

func isTerminal(f *os.File) bool {
	terminal := false
	raw, err := f.SyscallConn()
	if err != nil {
		return false
	}
	_ = raw.Control(func(fd uintptr) {
		_, err := unix.IoctlGetTermios(int(fd), unix.TCGETS)
		terminal = err == nil
	})
	return terminal
}

// OpenRegular opens a regular file for reading, following no link on the whole way to it and waiting for nothing.
func OpenRegular(path string) (*os.File, error) {
	how := unix.OpenHow{Flags: unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NOCTTY | unix.O_NONBLOCK, Resolve: unix.RESOLVE_NO_SYMLINKS}
	fd, err := unix.Openat2(unix.AT_FDCWD, path, &how)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		f.Close()
		return nil, &os.PathError{Op: "open", Path: path, Err: errors.New("not a regular file")}
	}
	return f, nil
}
