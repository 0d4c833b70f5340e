package rootwrap

import (
	"fmt"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/confine"
)

// Confinement computes from the policy what the helper itself needs. None of it reaches a command: a command of uid 0
// gets its thread's bounding set, which is `capabilities`, and one of another uid gets nothing.
func (c *Commands) Confinement() confine.Spec {
	spec := confine.Spec{Commands: true, Keep: c.bounding, Bounding: c.bounding, User: c.user}
	if c.loaded.Config.HasCapabilities {
		spec.Keep |= c.own()
	}
	return spec
}

// findBounding returns the most that a command may get: `capabilities`, or without them what the helper was started with,
// as with rootwrap; check says so.
func (c *Commands) findBounding(now confine.Status) (privsep.Capabilities, error) {
	cfg := c.loaded.Config
	if !cfg.HasCapabilities {
		return now.Permitted & now.Bounding, nil
	}
	set, err := Capabilities(cfg.Capabilities)
	if err != nil {
		return 0, fmt.Errorf("%s: capabilities: %w", cfg.File, err)
	}
	return set, nil
}

// own is what the helper keeps for itself, each capability for what it does with it.
func (c *Commands) own() privsep.Capabilities {
	keep := privsep.Caps(
		privsep.CAP_SETPCAP,                    // to lower the bounding set of the threads that start commands
		privsep.CAP_SETUID, privsep.CAP_SETGID, // to give a command its ids; its groups take the right in any case
		privsep.CAP_KILL, // to end one that has other ids, or took them
	)
	others := false
	for _, r := range c.loaded.Policy.Rules() {
		switch r.Class {
		case "KillFilter":
			keep = keep.With(privsep.CAP_SYS_PTRACE) // whose executable is it
		case "ReadFileFilter":
			keep = keep.With(privsep.CAP_DAC_READ_SEARCH) // the helper opens the file
		}
		account, err := c.loaded.AccountOf(r)
		others = others || err == nil && account.UID != 0
		for _, need := range needs(c.loaded, r) {
			keep = keep.With(need.capability)
		}
	}
	niceness, resource := c.group.Needs()
	if niceness {
		keep = keep.With(privsep.CAP_SYS_NICE)
	}
	if resource && others { // a limit on processes does not hold uid 0
		keep |= c.held & privsep.Caps(privsep.CAP_SYS_RESOURCE) // root of most containers has none: there is no limit there
	}
	return keep
}

// findUser returns whom the configuration makes of the helper, nil where it stays who it is.
func (c *Commands) findUser() (*confine.User, error) {
	cfg := c.loaded.Config
	if cfg.User == "" && cfg.Group == "" {
		return nil, nil
	}
	name := cfg.User
	if name == "" {
		name = "root"
	}
	account, err := c.loaded.LookupUser(name)
	if err != nil {
		return nil, fmt.Errorf("%s: user: %w", cfg.File, err)
	}
	u := &confine.User{UID: uint32(account.UID), GID: uint32(account.GID)}
	for _, g := range account.Groups {
		u.Groups = append(u.Groups, uint32(g))
	}
	if cfg.Group != "" {
		gid, err := c.loaded.LookupGroup(cfg.Group)
		if err != nil {
			return nil, fmt.Errorf("%s: group: %w", cfg.File, err)
		}
		u.GID, u.Groups = uint32(gid), []uint32{uint32(gid)}
	}
	return u, nil
}
