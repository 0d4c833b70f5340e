package filters

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// keep refuses a section that promises what could not hold: keys that contradict each other, the rule's class or cfg.
// What it takes to see the machine for, filters/host asks.
func (r *Rule) keep(cfg *Config) error {
	s := r.Section
	if s.Sandboxed() {
		s.NoNewPrivileges = true // without it the kernel lets nobody confine himself
	}
	for _, it := range s.Items {
		if why := r.contradiction(cfg, it.Key); why != "" {
			return r.Fault(it.Key, errors.New(why))
		}
	}
	return nil
}

// Fault says, with file and line, why a key of the rule's section cannot hold. It is an *Error.
func (r *Rule) Fault(key string, why error) error {
	e := &Error{File: r.File, Line: r.Section.Line, Deviation: BadLine, Msg: fmt.Sprintf("%s of rule %q: %v", key, r.Name, why)}
	for _, it := range r.Section.Items {
		if it.Key == key {
			e.Line = it.Line
		}
	}
	return e
}

// contradiction says why a key cannot hold; "" where it can.
func (r *Rule) contradiction(cfg *Config, key string) string {
	s := r.Section
	switch _, kills := r.kind.(*kill); {
	case kills && key != "clients" && key != "audit" && key != "fence":
		return "a KillFilter starts no command, so that this has no effect"
	case key == "stdin" && r.Class == "ReadFileFilter":
		return "the file of a ReadFileFilter is its standard input"
	}
	switch key {
	case "capabilities":
		for _, c := range s.Capabilities {
			if cfg.HasCapabilities && !slices.Contains(cfg.Capabilities, c) {
				return fmt.Sprintf("%s is not among the capabilities of %s, which are the most that a command may have", c, cfg.File)
			}
		}
	case "lock":
		if cfg.LockPath == "" {
			return fmt.Sprintf("%s has no lock_path: write the folder of the lock files there", cfg.File)
		}
	case "fence":
		if cfg.FencePath == "" {
			return fmt.Sprintf("%s has no fence_path: write the folder there in which fences are remembered", cfg.File)
		}
	case "network":
		if s.NoNetwork && r.mayHave(cfg, "CAP_SYS_ADMIN") {
			return "with CAP_SYS_ADMIN the command could enter another network: write capabilities without it"
		}
	case "read", "write":
		return r.escapes()
	}
	return ""
}

// mayHave reports whether the command may have a capability.
func (r *Rule) mayHave(cfg *Config, capability string) bool {
	switch {
	case r.Section.HasCapabilities:
		return slices.Contains(r.Section.Capabilities, capability)
	case !r.IsRoot():
		return false
	}
	return !cfg.HasCapabilities || slices.Contains(cfg.Capabilities, capability)
}

// IsRoot reports whether the rule's run_as is root by name or number. That another name of /etc/passwd is root's too is
// for the machine to know.
func (r *Rule) IsRoot() bool {
	uid, _, numeric, err := ParseIDs(r.RunAs)
	return r.RunAs == "root" || numeric && err == nil && uid == 0
}

// escapes says by what read and write could be gone around: landlock leaves chmod and chown free, and whoever owns files,
// or may act as if, can use them wherever files lie.
func (r *Rule) escapes() string {
	const why = ": landlock keeps nobody from chmod and chown"
	if r.IsRoot() {
		return "it needs a run_as other than root" + why
	}
	var bad []string
	for _, c := range []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_SETUID"} {
		if slices.Contains(r.Section.Capabilities, c) {
			bad = append(bad, c)
		}
	}
	if bad != nil {
		return "it needs capabilities without " + strings.Join(bad, ", ") + why
	}
	return ""
}
