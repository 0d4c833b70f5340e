package lint

import (
	"strings"

	"github.com/privhelper/privhelper/filters"
)

// config finds what the configuration as a whole leaves open.
func (c *checker) config() {
	add := func(option string, s Severity, n Name, instead, msg string) {
		c.found = append(c.found, Finding{File: c.Config.File, Line: c.Config.Lines[option], Severity: s, Name: n, Msg: msg, Instead: instead})
	}
	if !c.Config.HasCapabilities {
		add("capabilities", Note, NoCapabilities, "capabilities = CAP_NET_ADMIN, or what the commands need",
			"no capabilities option: commands that run as root keep every capability that the helper was started with")
	}
	if c.Config.Semantics == filters.Oslo {
		add("semantics", Warning, Name(filters.BuiltinPrivsepHelper), "semantics = strict",
			"semantics = oslo: privsep-helper may be run with any arguments, which is root by a configuration file of the caller's")
	}
}

// asRoot says whether a rule's command has uid 0.
func asRoot(r *filters.Rule) bool { return r.RunAs == "root" || strings.HasPrefix(r.RunAs, "0:") }

// owner finds rules whose capabilities promise more than they hold. Only a rule that has capabilities of its own is a
// warning: its author believes to have confined it.
func (c *checker) owner(r *filters.Rule) {
	switch {
	case !asRoot(r) || r.Class == "KillFilter" || r.Class == "ReadFileFilter":
	case r.Section.HasCapabilities:
		c.rule(r, Warning, UID0OwnsFiles, "a run_as of its own, with the same capabilities",
			"runs as root, and whatever its capabilities, it may write files that root owns")
	case c.Config.HasCapabilities:
		c.rule(r, Note, UID0OwnsFiles, "a run_as of its own, with capabilities in a section ["+r.Name+"]",
			"runs as root, and whatever the configuration's capabilities, it may write files that root owns")
	}
}
