// Package rootwrap runs filtered commands in a root helper: what policy decides is what is executed, and nothing else.
// It runs as root.
//
//	commands := rootwrap.New(rootwrap.Options{Load: func() (*host.Loaded, error) { return host.Load(config, host.Options{}) }})
//	d := daemon.New(daemon.Options{Commands: commands})
//	d.Main()
//
// handle, in handler_linux.go, is the page to read first.
package rootwrap

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/internal/spawn"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/command"
	"github.com/privhelper/privhelper/privsep/confine"
	"github.com/privhelper/privhelper/privsep/daemon"
	"github.com/privhelper/privhelper/privsep/daemon/audit"
	"github.com/privhelper/privhelper/privsep/daemon/fence"
)

// Options say which policy holds.
type Options struct {
	// Load reads configuration and policy: host.Load, or what a program has embedded. It is called once, before the
	// helper confines itself.
	Load func() (*host.Loaded, error)
	// Audit takes a line for every decision, unless the configuration names an audit_file. Nil: nothing does. It is the
	// caller's, and is written to by one goroutine at a time.
	Audit io.Writer
	// NoCgroup makes commands' processes be found by a walk although cgroups could be used.
	NoCgroup bool
}

// Commands runs filtered commands: daemon.Options.Commands.
type Commands struct {
	opt    Options
	audit  *audit.Log
	loaded *host.Loaded
	peer   daemon.Peer
	group  *spawn.Group

	held     privsep.Capabilities // before the helper was confined
	bounding privsep.Capabilities // the most that a command gets
	user     *confine.User        // whom the helper becomes; nil: it stays who it is

	prepare Preparer
	locks   *Locks
	fences  *fence.Fences
	kinds   kinds
	client  filters.Client

	life   context.Context // ends with Close, for what outlives a call
	end    context.CancelFunc
	guards sync.WaitGroup
}

// New makes Commands. Nothing is read before the helper starts up.
func New(opt Options) *Commands {
	c := &Commands{opt: opt}
	c.life, c.end = context.WithCancel(context.Background())
	return c
}

var _ daemon.Commands = (*Commands)(nil)

// Load reads configuration and policy, opens the audit log, limits this process's open files, and makes the group of all
// commands while its cgroup folder can still be made, and be made another user's: both take privileges that the helper
// is about to give up.
func (c *Commands) Load() (err error) {
	if c.loaded, err = c.opt.Load(); err != nil {
		return err
	}
	if c.audit, err = audit.Open(c.loaded.Config, c.opt.Audit); err != nil {
		return err
	}
	if err := LimitFiles(c.loaded.Config); err != nil {
		return err
	}
	now, err := confine.ReadStatus(0, 0)
	if err != nil {
		return err
	}
	c.held = now.Permitted
	if c.bounding, err = c.findBounding(now); err != nil {
		return err
	}
	if c.user, err = c.findUser(); err != nil {
		return err
	}
	c.prepare = Preparer{Loaded: c.loaded, Bounding: c.bounding}
	if err := Feasible(c.loaded, c.held, c.bounding); err != nil {
		return err
	}
	if c.locks, err = OpenLocks(c.loaded, nil, c.user); err != nil {
		return err
	}
	if c.fences, err = OpenFences(c.loaded, nil, c.user); err != nil {
		return err
	}
	opt := spawn.Options{NoCgroup: c.opt.NoCgroup, TagsForWalk: true}
	if c.user != nil {
		opt.Owner = &spawn.Owner{UID: c.user.UID, GID: c.user.GID}
	}
	c.group, err = spawn.NewGroup(opt)
	return err
}

// Start makes one thread for each kind of rule, and compares a child of each with what the policy promises, unless another
// helper has done that for a policy of this hash. It would find the same: what the child gets is the thread's, which is read
// back wherever one is made, and what the kernel makes of it at exec.
func (c *Commands) Start(peer daemon.Peer, proven string) error {
	c.Meet(peer, nil)
	status, err := confine.ReadStatus(0, 0)
	if err != nil {
		return err
	}
	c.prepare.NoSetgroups = status.SetgroupsDenied
	if err := c.verify(proven != c.loaded.Policy.Hash()); err != nil {
		return err
	}
	return c.group.Reserve()
}

// Meet says who the client is, with the groups that it had when it connected, where Start was called before there was one.
// Without them they are those of /etc/group.
func (c *Commands) Meet(peer daemon.Peer, groups []uint32) {
	c.peer, c.client = peer, c.loaded.Client(peer.UID, groups)
}

// Describe gives the policy's hash and how processes are found.
func (c *Commands) Describe() (policy, trees string) { return c.loaded.Policy.Hash(), c.group.Method() }

// Run decides about one command and runs it: what the Handler does, for a server that speaks another protocol than package
// daemon (pymanager). It returns when the command's main process has ended; when ctx ends, so does its whole tree. Open
// files in r stay the caller's. A refusal is a *privsep.CallError of code CodeDenied or CodeNotExecutable.
func (c *Commands) Run(ctx context.Context, r command.Request) (command.Result, error) {
	return c.handle(ctx, r)
}

// Handler is the one for command.Run.
func (c *Commands) Handler() privsep.Handler { return command.Run.Bind(c.handle) }

// ListHandler is the one for command.List.
func (c *Commands) ListHandler() privsep.Handler {
	return command.List.Bind(func(context.Context, struct{}) ([]command.Rule, error) {
		var rules []command.Rule
		for _, r := range c.loaded.Policy.For(c.client) {
			rules = append(rules, command.Rule{Name: r.Name, Class: r.Class, Exec: r.Exec, RunAs: r.RunAs, Args: r.Args})
		}
		return rules, nil
	})
}

// Close ends what still runs, and gives its locks back.
func (c *Commands) Close() error {
	var err error
	if c.group != nil { // Load came so far
		err = c.group.Close()
	}
	c.end()
	c.guards.Wait()
	return errors.Join(err, c.fences.Close(), c.audit.Close())
}
