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
	switch {
	case c.Config.LearnAllow:
		add("learn", Warning, Learning, "learn = refuse, or remove learn_file: what the service needs, privhelper suggest writes",
			"learn = allow: whatever "+c.Config.LearnFile+" allows runs, though no other rule allows it: for a while, and never where the service serves strangers")
	case c.Config.LearnFile != "":
		add("learn_file", Note, Learning, "", "the rules of "+c.Config.LearnFile+" allow nothing: what they would is refused, and logged as learned")
	}
	if c.Config.Semantics == filters.Oslo {
		add("semantics", Warning, Name(filters.BuiltinPrivsepHelper), "semantics = strict",
			"semantics = oslo: privsep-helper may be run with any arguments, which is root by a configuration file of the caller's")
	}
}

// asRoot says whether a rule's command has uid 0.
func asRoot(r *filters.Rule) bool { return r.RunAs == "root" || strings.HasPrefix(r.RunAs, "0:") }

// rootCapabilities give a command of any user what root has, each by its own way (capabilities(7), grsecurity's "False
// boundaries and arbitrary code execution").
var rootCapabilities = map[string]string{
	"CAP_SYS_ADMIN":       "mounts over any file",
	"CAP_SYS_MODULE":      "loads code into the kernel",
	"CAP_SYS_RAWIO":       "reads and writes the memory of the machine",
	"CAP_SYS_PTRACE":      "takes over any process",
	"CAP_DAC_OVERRIDE":    "writes any file",
	"CAP_DAC_READ_SEARCH": "reads any file",
	"CAP_CHOWN":           "takes any file over",
	"CAP_FOWNER":          "changes the mode of any file",
	"CAP_SETUID":          "becomes root",
	"CAP_SETFCAP":         "gives any program any capability",
	"CAP_MKNOD":           "makes a device that is the disk",
	"CAP_SYS_BOOT":        "starts another kernel",
	"CAP_BPF":             "loads programs into the kernel",
	"CAP_MAC_ADMIN":       "changes the rules of the security module",
}

// owner finds rules whose capabilities promise more than they hold. Only a rule that has capabilities of its own is a
// warning: its author believes to have confined it.
func (c *checker) owner(r *filters.Rule) {
	for _, name := range r.Section.Capabilities {
		if what, ok := rootCapabilities[name]; ok && !asRoot(r) {
			c.rule(r, Warning, RootCapability, "", "%s %s: a run_as of its own confines nothing beside it", name, what)
		}
	}
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
