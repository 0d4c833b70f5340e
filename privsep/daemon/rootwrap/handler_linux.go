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

// handle is a filtered command from its request to its end: decide, take its locks, hold its token against its fence, write
// it down, then act, and act on the verdict only.
func (c *Commands) handle(ctx context.Context, r command.Request) (command.Result, error) {
	daemon.Slow(ctx) // a command takes longer than any other request should wait, from its decision on
	request := filters.Request{Argv: r.Argv, Env: r.Env, Dir: r.Dir, Client: c.client}
	v := c.loaded.Policy.Decide(c.loaded.Machine, request)
	defer v.Close()
	c.loaded.Policy.Explain(c.loaded.Machine, request, &v)
	ready, err := c.ready(v, r)
	entry := audit.Entry{PID: c.peer.PID, UID: c.peer.UID, GID: c.peer.GID, Program: c.peer.Program, Policy: c.loaded.Policy.Hash(),
		Request: request, Verdict: v, Err: err}
	defer ready.Close() // of nothing, after an error
	held := &Held{}
	if err == nil && ready != nil {
		entry.Capabilities, entry.Locks = &ready.Capabilities, v.Rule.Section.Locks
		daemon.Locks(ctx, entry.Locks, false)
		held, entry.Err = c.locks.Take(ctx, v.Rule.Section.Locks, func(pid int) bool { return pid == c.peer.PID })
		entry.Waited, err = held.Time(), lockRefusal(v.Rule.Name, entry.Err)
		daemon.Locks(ctx, entry.Locks, entry.Err == nil)
	}
	if err == nil && v.Outcome == filters.Match {
		entry.Fence, entry.Token = v.Rule.Section.Fence, daemon.Token(ctx)
		entry.Err = held.Enter(ctx, c.fences, v.Rule, entry.Token)
		err = fenceRefusal(v.Rule.Name, entry.Err)
	}
	c.audit.Decision(entry)
	switch {
	case v.Outcome != filters.Match:
		return command.Result{}, refusal(v)
	case err != nil:
		return command.Result{}, err
	case v.Kill != nil:
		code := SignalProcess(v, r.Stderr.File)
		return command.Result{Rule: v.Rule.Name, Code: code}, held.Release()
	}
	begin := time.Now()
	p, err := c.start(ctx, ready)
	if err != nil {
		c.audit.NotStarted(entry, errors.Join(err, held.Release()))
		return command.Result{}, startError(err)
	}
	result, err := c.serve(ctx, v.Rule, p, held)
	if v.Rule.Section.FullAudit {
		c.audit.End(entry, audit.End{Result: result, Took: time.Since(begin), Err: err})
	}
	return result, err
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

// ready makes of a verdict what is to be started, with its streams: all that can be refused before it is. Where nothing is
// to be started it returns nil.
func (c *Commands) ready(v filters.Verdict, r command.Request) (*Prepared, error) {
	if v.Outcome != filters.Match || v.Kill != nil {
		return nil, nil
	}
	tty, err := terminalOf(r)
	if err != nil {
		return nil, err
	}
	p, err := c.prepare.Prepare(v)
	if err != nil {
		return nil, err
	}
	if uid := p.Account.UID; uid != 0 && uint32(uid) == c.peer.UID {
		p.Close()
		return nil, fmt.Errorf("rule %s runs as the client's own user, who could stop the command before it is executed: "+
			"the client can run it itself", v.Rule.Name)
	}
	cmd := &p.Command
	cmd.Setsid, cmd.Stdin, cmd.Stdout, cmd.Stderr = true, r.Stdin.File, r.Stdout.File, r.Stderr.File
	switch {
	case p.Input != nil:
		cmd.Stdin = p.Input
	case v.Rule.Section.NoStdin:
		cmd.Stdin = nil
	}
	if tty == 0 && cmd.Stdin != r.Stdin.File { // it is another stream, or none
		r.Stdin.File = nil
		tty, _ = terminalOf(r)
	}
	if tty >= 0 {
		cmd.Setctty, cmd.Ctty = true, tty
	}
	return p, nil
}

// start starts a command, unless its client has stopped waiting for it.
func (c *Commands) start(ctx context.Context, p *Prepared) (*spawn.Process, error) {
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		f, err := c.kinds.forker(p)
		if err != nil {
			return nil, err
		}
		started, err := c.group.Start(ctx, f, p.Command)
		if !errors.Is(err, spawn.ErrRetired) { // another has just found a place of the sandbox changed
			return started, err
		}
	}
}

// serve tells the client of its command and waits for it. When ctx ends, or the rule's timeout has passed, so do all its
// processes. Its locks are given back with the last of them, or, where these may outlive their client, with the main one.
func (c *Commands) serve(ctx context.Context, rule *filters.Rule, p *spawn.Process, held *Held) (command.Result, error) {
	until := limit(rule)
	ctx, cancel := until.bound(ctx)
	defer cancel()
	daemon.Started(ctx, p.Pid, rule.Name)
	killed := c.attend(ctx, p)
	status, err := p.Wait()
	if err != nil {
		return command.Result{}, errors.Join(err, held.Release())
	}
	if rule.Detached && status.Code == 0 {
		if pids, err := p.LetGo(); err != nil {
			daemon.Log(ctx).Warn("what the command left behind could not be let go", "rule", rule.Name, "error", err)
		} else if len(pids) > 0 {
			daemon.Log(ctx).Info("let go: outlives this helper (lifetime = detached)", "rule", rule.Name, "pids", pids)
		}
	}
	guard{until, rule, p, held, daemon.Log(ctx)}.keep(c)
	if killed {
		return Result(p.Pid, rule.Name, status), context.Cause(ctx)
	}
	return Result(p.Pid, rule.Name, status), nil
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

// Result words how a command ended for its client.
func Result(pid int, rule string, s spawn.Status) command.Result {
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
