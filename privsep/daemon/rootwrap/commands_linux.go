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
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/internal/spawn"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/command"
	"github.com/privhelper/privhelper/privsep/confine"
	"github.com/privhelper/privhelper/privsep/daemon"
	"github.com/privhelper/privhelper/privsep/daemon/audit"
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

	noSetgroups bool // this user namespace lets nobody change groups

	mu    sync.Mutex
	kinds map[kind]*spawn.Forker
}

// New makes Commands. Nothing is read before the helper starts up.
func New(opt Options) *Commands {
	return &Commands{opt: opt, kinds: map[kind]*spawn.Forker{}}
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
	return c.newGroup()
}

func (c *Commands) newGroup() (err error) {
	opt := spawn.Options{NoCgroup: c.opt.NoCgroup}
	if u := c.user(); u != nil {
		opt.Owner = &spawn.Owner{UID: u.UID, GID: u.GID}
	}
	c.group, err = spawn.NewGroup(opt)
	return err
}

// Confinement computes from the policy what the helper itself needs. None of it reaches a command: a command of uid 0
// gets its thread's bounding set, which is `capabilities`, and one of another uid gets nothing.
func (c *Commands) Confinement() (keep, bounding privsep.Capabilities, user *confine.User) {
	cfg := c.loaded.Config
	if !cfg.HasCapabilities {
		// As with rootwrap, commands get what the helper was started with; check says so.
		if status, err := confine.ReadStatus(0, 0); err == nil {
			bounding = status.Permitted & status.Bounding
		}
		return bounding, bounding, c.user()
	}
	for _, name := range cfg.Capabilities {
		if one, err := privsep.ParseCapability(name); err == nil {
			bounding = bounding.With(one)
		}
	}
	keep = privsep.Caps(privsep.CAP_SETPCAP, privsep.CAP_SETUID, privsep.CAP_SETGID, privsep.CAP_KILL, privsep.CAP_SYS_NICE)
	for _, r := range c.loaded.Policy.Rules() {
		switch r.Class {
		case "KillFilter":
			keep = keep.With(privsep.CAP_SYS_PTRACE) // whose executable is it
		case "ReadFileFilter":
			keep = keep.With(privsep.CAP_DAC_READ_SEARCH)
		}
	}
	return keep | bounding, bounding, c.user()
}

// user is whom the configuration makes of the helper, nil where it stays who it is. Load has checked the names.
func (c *Commands) user() *confine.User {
	cfg := c.loaded.Config
	if cfg.User == "" && cfg.Group == "" {
		return nil
	}
	name := cfg.User
	if name == "" {
		name = "root"
	}
	account, err := c.loaded.LookupUser(name)
	if err != nil {
		return nil
	}
	u := &confine.User{UID: uint32(account.UID), GID: uint32(account.GID)}
	for _, g := range account.Groups {
		u.Groups = append(u.Groups, uint32(g))
	}
	if cfg.Group != "" {
		if gid, err := c.loaded.LookupGroup(cfg.Group); err == nil {
			u.GID, u.Groups = uint32(gid), []uint32{uint32(gid)}
		}
	}
	return u
}

// Start makes one thread for each kind of rule, and compares a child of each with what the policy promises.
func (c *Commands) Start(peer daemon.Peer) (err error) {
	c.peer = peer
	status, err := confine.ReadStatus(0, 0)
	if err != nil {
		return err
	}
	c.noSetgroups = status.SetgroupsDenied
	var seen []kind
	for _, r := range c.loaded.Policy.Rules() {
		account, err := c.loaded.LookupUser(r.RunAs)
		if err != nil {
			continue // Oslo: the command fails when it is run
		}
		k := kindOf(account)
		if slices.Contains(seen, k) {
			continue
		}
		seen = append(seen, k)
		if err := c.verifyKind(k, account); err != nil {
			return errors.Join(fmt.Errorf("commands that run as %s: %w", r.RunAs, err), c.group.Close())
		}
	}
	return nil
}

// Describe gives the policy's hash and how processes are found.
func (c *Commands) Describe() (policy, trees string) { return c.loaded.Policy.Hash(), c.group.Method() }

// Handler is the one for command.Run.
func (c *Commands) Handler() privsep.Handler { return command.Run.Bind(c.handle) }

// Close ends what still runs.
func (c *Commands) Close() error { return errors.Join(c.group.Close(), c.audit.Close()) }
