package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/internal/spawn"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/confine"
	root "github.com/privhelper/privhelper/privsep/daemon/rootwrap"
)

// prepare makes of a verdict what is to be executed, and takes its locks.
func prepare(loaded *host.Loaded, v filters.Verdict) (*root.Prepared, *root.Held, error) {
	now, err := confine.ReadStatus(0, 0)
	if err != nil {
		return nil, nil, err
	}
	m := root.Preparer{Loaded: loaded, Bounding: now.Permitted & now.Bounding}
	if loaded.Config.HasCapabilities {
		if m.Bounding, err = root.Capabilities(loaded.Config.Capabilities); err != nil {
			return nil, nil, err
		}
	}
	p, err := m.Prepare(v)
	if err != nil {
		return nil, nil, err
	}
	held, err := takeLocks(loaded, v.Rule)
	if err != nil {
		p.Close()
		return nil, nil, err
	}
	return p, held, nil
}

// execute runs what was prepared. This process becomes the command wherever nothing is left to do afterwards: nothing
// stays behind then, and streams, signals and exit code are the command's own. It stays as the command's parent, and
// returns how it ended, where there is a terminal that the command must not have, or where its rule has a lock, a fence, a
// timeout or audit = full.
func execute(loaded *host.Loaded, r *filters.Rule, p *root.Prepared) (spawn.Status, error) {
	if err := errors.Join(spawn.CloseOnExecFrom3(), lowerNofile(loaded.Config)); err != nil {
		return spawn.Status{}, err
	}
	runtime.LockOSThread()
	if err := spawn.DefaultSignals(); err != nil {
		return spawn.Status{}, err
	}
	c := &p.Command
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	switch {
	case p.Input != nil:
		c.Stdin = p.Input
	case r.Section.NoStdin:
		null, err := os.Open(os.DevNull)
		if err != nil {
			return spawn.Status{}, err
		}
		defer null.Close()
		c.Stdin = null
	}
	if err := inherit(loaded.Config.Semantics, r, p); err != nil {
		return spawn.Status{}, err
	}
	confined, err := mustConfine(loaded.Config, r, p)
	if err != nil {
		return spawn.Status{}, err
	}
	hidden := os.Geteuid() == 0 && keepsTerminal(p.Account)
	if hidden || staysParent(r) {
		if err := canLimit(r, p); err != nil {
			return spawn.Status{}, err
		}
		return attend(r, p, confined, hidden)
	}
	if confined {
		if err := p.Confine(); err != nil {
			return spawn.Status{}, err
		}
	}
	p.Here()
	return spawn.Status{}, spawn.Exec(*c)
}

// staysParent reports whether something is left to do when the command has ended, or while it runs.
func staysParent(r *filters.Rule) bool {
	s := r.Section
	return len(s.Locks) > 0 || s.Fence != "" || s.Timeout > 0 || s.FullAudit
}

// canLimit refuses limits that this process, as the parent, could not set: only before it becomes the command can it do
// without the capability.
func canLimit(r *filters.Rule, p *root.Prepared) error {
	if len(r.Section.Limits) == 0 || p.Account.UID == os.Geteuid() {
		return nil
	}
	now, err := confine.ReadStatus(0, 0)
	if err != nil || now.Permitted.Has(privsep.CAP_SYS_RESOURCE) {
		return err
	}
	return r.Fault("rlimit_"+r.Section.Limits[0].Resource, errors.New("privhelper was not given CAP_SYS_RESOURCE, which it takes to limit a "+
		"process of another user that it stays the parent of (lock, fence, timeout, audit = full, a terminal)"))
}

// inherit says what of the caller the command keeps: in Oslo, as with rootwrap, its environment, folder and umask, where
// the rule says no other; in Strict nothing.
func inherit(semantics filters.Semantics, r *filters.Rule, p *root.Prepared) error {
	c := &p.Command
	if semantics == filters.Strict {
		if c.Dir == "" {
			c.Dir = "/"
		}
		if !r.Section.HasUmask {
			syscall.Umask(root.Umask)
			p.KeepUmask()
		}
		return nil
	}
	c.Env = root.Override(os.Environ(), p.RuleEnv)
	if !r.Section.HasUmask {
		p.KeepUmask()
	}
	if c.Dir == "" {
		here, err := os.Getwd()
		if err != nil {
			return fmt.Errorf("the caller's working directory: %w", err)
		}
		c.Dir = here
	}
	return nil
}

// mustConfine reports whether the thread that executes the command has something to lose, and refuses what this process
// cannot do.
func mustConfine(cfg filters.Config, r *filters.Rule, p *root.Prepared) (bool, error) {
	if uid := os.Geteuid(); uid != 0 { // not the real one: under a setuid bit root is still to be given up
		if uid != p.Account.UID || uid != os.Getuid() || cfg.HasCapabilities {
			return false, fmt.Errorf("a command that runs as %s needs root: start privhelper by sudo or doas", r.RunAs)
		}
		if r.Section.Group != "" || r.Section.HasGroups {
			return false, fmt.Errorf("the groups of rule %s need root: start privhelper by sudo or doas", r.Name)
		}
		p.Command.Credential = nil // an ordinary user's command as that user: nothing to give up
		return len(r.Section.Items) > 0, nil
	}
	// Also empties the inheritable and the ambient set.
	return cfg.HasCapabilities || p.Account.UID != 0 || len(r.Section.Items) > 0, nil
}

// lowerNofile lowers the soft limit of open files as oslo.rootwrap does, and leaves the hard one.
func lowerNofile(cfg filters.Config) error {
	var now syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now); err != nil {
		return os.NewSyscallError("getrlimit", err)
	}
	if cfg.RlimitNofile < 0 || now.Cur <= uint64(cfg.RlimitNofile) {
		return nil
	}
	now.Cur = uint64(cfg.RlimitNofile)
	return os.NewSyscallError("setrlimit", syscall.Setrlimit(syscall.RLIMIT_NOFILE, &now))
}
