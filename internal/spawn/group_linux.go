package spawn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// endTime is how long the end of processes that got SIGKILL is waited for. Only one that hangs in the kernel (state D:
// a dead NFS server, a broken disk) needs longer than milliseconds.
const endTime = 5 * time.Second

// forkTime is longer than a fork takes that does not hang in exec, where Close must not wait for it.
const forkTime = 200 * time.Millisecond

// ErrClosed is what Start returns once Close was called; it is wrapped in a StartError.
var ErrClosed = errors.New("the group is closed")

// Options of a Group. The zero value is what a helper wants.
type Options struct {
	// Name begins the name of the cgroup folder, NAME.PID.STARTTIME; "" is privhelper. Stale folders of the same name
	// are swept. It must be a plain file name without a dot.
	Name string
	// NoCgroup makes the group find its processes by a walk although cgroups could be used.
	NoCgroup bool
	// MaxProcesses limits how many processes all commands may have at one time: pids.max, where the pids controller
	// is in cgroup2. Elsewhere it becomes RLIMIT_NPROC of every command right after its start, which counts all
	// processes of its user and does not hold root. 0 is DefaultMaxProcesses, a negative number no limit.
	MaxProcesses int
	// TagsForWalk hands tags out only where there are no cgroups: for a process that is about to give CAP_SYS_NICE up
	// and could not read them any more. What runs as root and left its cgroup then goes with the group, not with its command.
	TagsForWalk bool
	// Owner is whom this process will become after NewGroup and before its first Start. Nil: it stays who it is.
	Owner *Owner
}

// DefaultMaxProcesses is enough for any service that was seen, and ends a fork bomb before it is one for the machine.
const DefaultMaxProcesses = 512

// Owner is a user by number, with its main group.
type Owner struct{ UID, GID uint32 }

// Group is a set of commands that end together. It may be used by many goroutines.
//
// While a process has a Group, all its children in other sessions are the Group's, orphans that it adopts included: they
// are reaped. Children that os/exec starts stay untouched as long as they do not set Setsid.
type Group struct {
	cg     *cgroup // nil for a walk
	why    string  // why it is nil
	tagged bool
	null   *os.File
	list   childLister

	maxProcesses int
	limitEach    bool // pids.max does not hold them

	// Guarded by children.mu.
	closed  bool
	forking int           // threads that fork for the group
	idle    chan struct{} // closed when closed is set and forking is 0
	serial  uint64
	tags    tagSet          // handed out to its commands, the last time that they were
	folders map[string]bool // of commands whose main process has ended while others live
	spare   []string        // folders that wait for a command
}

// NewGroup makes this process adopt the orphans of its descendants (PR_SET_CHILD_SUBREAPER), gives signals that it was
// started to ignore their default for what it starts (DefaultSignals), and makes a cgroup folder where that is possible;
// where it is not, Method says why. It ends what a helper of the same name left when it was killed.
//
// The errors are those of the kernel: no /dev/null, no /proc.
func NewGroup(o Options) (*Group, error) {
	if o.Name == "" {
		o.Name = "privhelper"
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("adopt orphans: %w", err)
	}
	if err := DefaultSignals(); err != nil {
		return nil, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if o.MaxProcesses == 0 {
		o.MaxProcesses = DefaultMaxProcesses
	}
	g := &Group{
		maxProcesses: o.MaxProcesses,
		tagged:       canReadTags(),
		null:         null,
		list:         findChildLister(),
		folders:      map[string]bool{},
		idle:         make(chan struct{}),
	}
	if o.NoCgroup {
		g.why = "cgroups are switched off"
	} else if g.cg, err = openCgroup(o.Name, o.Owner); err != nil {
		g.why = err.Error()
	}
	if o.TagsForWalk && g.cg != nil {
		g.tagged = false
	}
	if o.MaxProcesses > 0 && (g.cg == nil || !g.cg.limit(o.MaxProcesses)) {
		g.limitEach = true
	}
	children.join(g)
	return g, nil
}

// Method says how the group knows what belongs to a command: "cgroup: one folder a command" or "walk: " and the reason.
func (g *Group) Method() string {
	if g.cg != nil {
		return "cgroup: one folder a command"
	}
	return "walk: " + g.why
}

// Needs says what the group goes on needing of privileges, beside those that Start needs for a Credential: CAP_SYS_NICE
// to read the tags of other users' processes, CAP_SYS_RESOURCE to limit the number of another user's processes.
func (g *Group) Needs() (niceness, resource bool) { return g.tagged, g.limitEach }

// Start starts c on a thread of f and returns when it has been executed. The command gets SIGKILL when this process
// dies. Every Process is to be waited for or not, as the caller likes: it is reaped in any case. Where ctx has ended
// before the fork nothing is started; afterwards it has no meaning: the command's end is KillTree.
//
// A file system that does not answer holds up this call and no other (see reach).
//
// The error is a *StartError.
func (g *Group) Start(ctx context.Context, f *Forker, c Command) (*Process, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	attr := c.attr(g.null)
	reach(c.Path, attr.Dir)
	if ctx.Err() != nil {
		return nil, &StartError{Op: "not started", Path: c.Path, Err: context.Cause(ctx)}
	}
	if !f.enter() {
		return nil, &StartError{Op: "not started", Path: c.Path, Err: ErrRetired}
	}
	p, op, err := g.fork(f, &c, attr)
	if err != nil {
		f.leave()
	}
	if err == nil {
		return p, nil
	}
	if op != "" {
		return nil, &StartError{Op: op, Path: c.Path, Err: err}
	}
	return nil, startError(&c, attr.Dir, err)
}

// fork starts c. The error comes with what failed, or with "" for fork and exec.
func (g *Group) fork(f *Forker, c *Command, attr *syscall.ProcAttr) (p *Process, op string, err error) {
	p, err = g.prepare(c)
	if err != nil {
		return nil, "prepare", err
	}
	attr.Sys.PidFD = &p.pidfd
	if p.folder != "" {
		folder, err := unix.Open(p.folder, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			p.giveUp()
			return nil, "open its cgroup", &os.PathError{Op: "open", Path: p.folder, Err: err}
		}
		defer unix.Close(folder)
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, folder
	}
	path, program, err := c.executable(attr.Files)
	if err != nil {
		p.giveUp()
		return nil, "hold its program", err
	}
	defer program.Close() // nil is an error that means nothing
	p.forker = f
	j := &job{process: p, path: path, argv: c.Argv, attr: attr, limits: c.Limits}
	f.run(j)
	if j.err == nil {
		return p, "", nil
	}
	p.giveUp()
	if j.err == ErrClosed {
		op = "prepare"
	}
	return nil, op, j.err
}

// giveUp gives the folder back of a command that was not started.
func (p *Process) giveUp() {
	if p.folder != "" {
		children.mu.Lock()
		defer children.mu.Unlock()
		p.group.giveFolder(p, false)
	}
}

// prepare makes the Process of a command that does not run yet, with its tag and its folder.
func (g *Group) prepare(c *Command) (*Process, error) {
	p := &Process{group: g, session: c.Setsid, ownLimit: c.limits(unix.RLIMIT_NPROC), done: make(chan struct{})}
	children.mu.Lock()
	defer children.mu.Unlock()
	if g.closed {
		return nil, ErrClosed
	}
	if g.tagged {
		p.tag, p.seq = children.nextTag(g)
	}
	if g.cg != nil {
		var err error
		if p.folder, err = g.takeFolder(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// begin is called by the thread that is about to fork.
func (g *Group) begin() (number uint64, err error) {
	children.mu.Lock()
	defer children.mu.Unlock()
	if g.closed {
		return 0, ErrClosed
	}
	g.forking++
	return children.forks.begin(), nil
}

// returned is called by the thread that has forked: pid is the child that executes p, or 0 where there is none. From here
// on the reaper knows it.
func (g *Group) returned(number uint64, p *Process, pid int) {
	if g.limitEach && pid != 0 && !p.ownLimit {
		// Fails where the command has taken another user's ids and we are not root: it is not ours to limit then.
		n := uint64(g.maxProcesses)
		_ = unix.Prlimit(pid, unix.RLIMIT_NPROC, &unix.Rlimit{Cur: n, Max: n}, nil)
	}
	children.mu.Lock()
	defer children.mu.Unlock()
	if pid != 0 {
		p.Pid = pid
		children.mains[pid] = p
		delete(children.released.sessions, pid) // the session of that number has ended, or pid were not free
	}
	if children.forks.returned(number) {
		select {
		case children.again <- struct{}{}:
		default: // it will look again already
		}
	}
	if g.forking--; g.closed && g.forking == 0 {
		close(g.idle)
	}
}

// Close ends all that came from the group's commands, what called setsid and forked twice included, reaps it and gives
// the group's folder back. What was let go stays. Close returns when nothing of it runs any more, also against a fork
// bomb; the error names what could not be ended: processes of another user (EPERM), or ones that hang in the kernel.
// A second Close does nothing.
func (g *Group) Close() error {
	children.mu.Lock()
	again := g.closed
	g.closed = true
	if !again && g.forking == 0 {
		close(g.idle)
	}
	children.mu.Unlock()
	if again {
		return nil
	}
	select {
	case <-g.idle: // no command is between its fork and its registration
	case <-time.After(forkTime): // it hangs in exec, and is found below as a child of ours
	}
	deadline := time.Now().Add(endTime)
	var errs []error
	if g.cg != nil {
		errs = append(errs, endCgroup(g.cg.path, deadline))
	}
	children.stopSessions(func(p *Process) bool { return p.group == g })
	// A command that runs as root can leave its cgroup, but not its descent.
	errs = append(errs, g.walk().end(deadline))
	children.reap()
	if g.cg != nil {
		errs = append(errs, g.cg.close())
	}
	children.leave(g)
	errs = append(errs, g.null.Close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("end the commands: %w", err)
	}
	return nil
}
