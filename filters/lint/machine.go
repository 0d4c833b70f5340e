package lint

import (
	"errors"
	"slices"
	"strings"

	"github.com/privhelper/privhelper/filters"
)

// machine finds what is wrong with a rule on this machine.
func (c *checker) machine(r *filters.Rule) {
	if isChain(r) || r.Class != "KillFilter" {
		c.executable(r, r.Exec)
	} else if len(r.Args) > 0 && r.Args[0] != "" {
		c.executable(r, r.Args[0])
	}
	dirs, held := folders(r)
	for i, dir := range dirs {
		canonical := c.Machine.RealPath(dir)
		if r.Class == "PathFilter" && canonical != strings.TrimSuffix(dir, "/") && dir != "/" {
			c.rule(r, Warning, NeverMatches, canonical, "can never match: paths are compared after links are resolved, and %s leads to %s", dir, canonical)
			continue
		}
		if folder, who := c.Machine.Writable(canonical); folder != "" && !held[i] {
			c.rule(r, Warning, PathRace, "<path:"+dir+",fd> in an ArgvFilter, where the file is there already; else a folder of root's",
				"%s is writable by %s, who can swap what a path leads to after it was checked", folder, who)
		}
	}
	c.groups(r)
}

// executable looks for the program where the helper would.
func (c *checker) executable(r *filters.Rule, program string) {
	dirs := c.Config.ExecDirs
	if strings.HasPrefix(program, "/") {
		dirs = []string{""}
	} else {
		program = "/" + program
	}
	for _, dir := range dirs {
		path := strings.TrimSuffix(dir, "/") + program
		if _, err := c.Machine.Executable(path, false); err != nil {
			continue
		}
		if _, err := c.Machine.Executable(path, true); err != nil && !errors.Is(err, filters.ErrNotExecutable) {
			c.rule(r, Warning, WritableExecutable, "", "%v", err)
		}
		return
	}
	c.rule(r, Note, MissingExecutable, "remove the rule, or install the program", "%s is not on this machine", strings.TrimPrefix(program, "/"))
}

// groups warns where clients are judged by accounts that the static binary cannot see.
func (c *checker) groups(r *filters.Rule) {
	if len(r.Section.Clients) == 0 {
		return
	}
	for _, database := range []string{"passwd", "group"} {
		if others := otherSources(c.Nsswitch, database); len(others) > 0 {
			c.rule(r, Warning, Nsswitch, "numbers, such as 1001 or @1001", "has clients, and this machine has a %s database in %s, which a static program cannot ask: names of there are not known", database, strings.Join(others, ", "))
		}
	}
}

// otherSources returns where a database of nsswitch.conf(5) is looked for besides files.
func otherSources(text, database string) (others []string) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), database+":")
		if !ok {
			continue
		}
		for source := range strings.FieldsSeq(rest) {
			if source != "files" && source[0] != '[' && !slices.Contains(others, source) && !strings.HasSuffix(source, "]") {
				others = append(others, source)
			}
		}
	}
	return others
}
