package lint

import (
	"slices"
	"strings"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/internal/pyre"
)

// unreached finds a rule before which another one allows all that it does. Only what can be proven is said.
func (c *checker) unreached(r *filters.Rule, all []*filters.Rule) {
	for _, b := range all {
		switch {
		case b == r:
			return
		case b.RunAs != r.RunAs && slices.ContainsFunc(all, func(o *filters.Rule) bool { return isChain(o) && o.RunAs == r.RunAs }):
			// Behind a chain of its own run_as it is reached all the same.
		case covers(b, r):
			where := ""
			if b.Exec != r.Exec {
				where = ", where " + b.Exec + " is found"
			}
			c.rule(r, Warning, Shadowed, "remove one of the two", "is never reached: %s (%s:%d) allows all of it before%s", b.Name, b.File, b.Line, where)
			return
		}
	}
}

// covers reports whether all that r allows, b allows before it. A rule for some clients, or with an environment or a
// folder that the earlier one does not have, leaves something over; and an EnvFilter changes what the rules after it see.
func covers(b, r *filters.Rule) bool {
	if len(b.Section.Clients) > 0 || len(r.Section.Env) > 0 || r.Section.Cwd != "" && r.Section.Cwd != b.Section.Cwd || b.Class == "EnvFilter" {
		return false
	}
	if b.Class == r.Class && b.Exec == r.Exec && slices.Equal(b.Args, r.Args) {
		return true
	}
	if b.Class != "CommandFilter" {
		return false
	}
	names := []string{b.Exec, base(b.Exec)}
	switch r.Class {
	case "CommandFilter", "PathFilter", "ArgvFilter":
		return slices.Contains(names, r.Exec) && slices.Contains(names, base(r.Exec))
	case "RegExpFilter":
		return len(r.Args) > 0 && pyre.Literal(r.Args[0]) && slices.Contains(names, r.Args[0]) && slices.Contains(names, r.Exec)
	case "ReadFileFilter":
		return slices.Contains(names, "cat")
	case "IpFilter", "IpNetnsExecFilter":
		return slices.Contains(names, "ip")
	case "KillFilter":
		return slices.Contains(names, "kill")
	}
	return false
}

// impossible finds rules that no command line matches. Most of them are errors of strict; oslo.rootwrap takes them.
func (c *checker) impossible(r *filters.Rule, all []*filters.Rule) {
	why := ""
	switch r.Class {
	case "PathFilter":
		if len(r.Args) == 0 {
			why = "it has no arguments, and a PathFilter needs one"
		}
		for _, a := range r.Args {
			if isPattern(a) {
				why = "a PathFilter compares text, and " + a + " is a pattern"
			}
		}
	case "RegExpFilter":
		if len(r.Args) == 0 {
			why = "it has no patterns, and the first is for the command's name"
		}
		for _, text := range r.Args {
			if _, err := pyre.Compile(text, c.anchor()); err != nil {
				why = "pattern " + text + ": " + err.Error()
			}
		}
	case "KillFilter":
		if len(r.Args) == 0 || r.Args[0] == "" {
			why = "it names no program"
		}
	case "EnvFilter":
		if !slices.ContainsFunc(r.Args, func(a string) bool { return strings.Contains(a, "=") }) {
			why = "it names no variable"
		}
	case "IpNetnsExecFilter", "ChainingRegExpFilter":
		if !slices.ContainsFunc(all, func(o *filters.Rule) bool { return o.RunAs == r.RunAs && !isChain(o) && o.Line > 0 }) {
			why = "no rule of the same run_as allows a command behind it"
		}
	case "ChainingFilter":
		why = "a ChainingFilter allows nothing by itself"
	}
	if why != "" {
		c.rule(r, Warning, NeverMatches, "remove it, or complete it", "can never match: %s", why)
	}
}

func isChain(r *filters.Rule) bool {
	return r.Class == "IpNetnsExecFilter" || strings.HasPrefix(r.Class, "Chaining")
}

// isPattern says whether a folder's name can only be meant for a regular expression.
func isPattern(dir string) bool {
	return strings.HasPrefix(dir, "/") && (strings.Contains(dir, ".*") || strings.Contains(dir, "(?") || strings.ContainsAny(dir, `|\^$`))
}
