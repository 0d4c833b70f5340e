package lint

import (
	"strings"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/internal/pyre"
)

// deviations finds what oslo.rootwrap accepts, and so semantics = oslo does, and strict would not, rule by rule.
func (c *checker) deviations(r *filters.Rule) {
	if c.Config.Semantics != filters.Oslo {
		return
	}
	say := func(d filters.Deviation, format string, args ...any) {
		c.rule(r, Warning, Name(d), "semantics = strict, or an ArgvFilter", format, args...)
	}
	switch r.Class {
	case "IpFilter":
		say(filters.IPExec, "ip -n X netns exec, ip vrf exec and ip -b FILE run programs through it")
	case "IpNetnsExecFilter", "ChainingRegExpFilter":
		say(filters.ChainBasename, "the inner command is judged by its base name and run by the path that the caller gives")
	case "PathFilter":
		if dirs, _ := folders(r); len(dirs) > 0 && !strings.HasSuffix(dirs[0], "/") && !isPattern(dirs[0]) {
			say(filters.PathPrefix, "%s allows %s-evil as well", dirs[0], dirs[0])
		}
	case "ReadFileFilter":
		say(filters.ReadFile, "cat opens the path itself, by whatever link lies there by then")
	case "EnvFilter":
		say(filters.EnvValues, "the values of its variables are not compared")
	case "KillFilter":
		say(filters.KillRace, "between the check and the signal another process can get the pid")
	case "RegExpFilter":
		for i, text := range r.Args {
			if longer := loose(text); longer != "" {
				say(filters.RegexpAnchor, "pattern %q of argument %d is anchored in its last alternative alone: it matches %q", text, i, longer)
				break
			}
		}
	}
	if r.RunAs != "root" {
		say(filters.RunAsGroups, "the command of %s keeps root's groups", r.RunAs)
	}
}

// loose returns a text that oslo.rootwrap's anchoring accepts beyond the whole pattern, the final newline aside, which
// every pattern lets pass there.
func loose(pattern string) string {
	wide, err := pyre.Compile(pattern, pyre.Rootwrap)
	if err != nil {
		return ""
	}
	whole, err := pyre.Compile(pattern, pyre.Whole)
	if err != nil {
		return ""
	}
	for _, s := range samples(pattern, "x") {
		if s += "/../x"; wide.Match(s) && !whole.Match(s) {
			return s
		}
	}
	return ""
}
