package lint

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/internal/pyre"
)

// A slot is a place in a rule's arguments where the caller has a choice, by the pattern that the rule has there.
type slot struct {
	arg  int    // its number: 0 is the command's name
	text string // the pattern
	ok   accepts
	// options says that an argument may be an option here: the holes of an ArgvFilter match none where one begins.
	options bool
}

// slots returns where a rule leaves the caller a choice by a pattern.
func (c *checker) slots(r *filters.Rule) (out []slot) {
	switch r.Class {
	case "RegExpFilter", "ChainingRegExpFilter":
		for i, text := range r.Args {
			if i == 0 || pyre.Literal(text) {
				continue
			}
			if p, err := pyre.Compile(text, c.anchor()); err == nil {
				out = append(out, slot{i, text, p.Match, true})
			}
		}
	case "ArgvFilter":
		for i, element := range r.Args {
			for _, hole := range holes(element) {
				text, is := strings.CutPrefix(hole, "re:")
				re, err := regexp.Compile(`\A(?:` + text + `)\z`)
				if !is || err != nil {
					continue
				}
				first := strings.HasPrefix(strings.TrimLeft(element, "[ "), "<")
				ok := func(s string) bool { return s != "" && (!first || s[0] != '-') && re.MatchString(s) }
				out = append(out, slot{i + 1, text, ok, !first})
			}
		}
	}
	return out
}

func (c *checker) anchor() pyre.Anchor {
	if c.Config.Semantics == filters.Oslo {
		return pyre.Rootwrap
	}
	return pyre.Whole
}

// holes returns what stands between < and > in an element of an ArgvFilter.
func holes(element string) (out []string) {
	for i := 0; i < len(element); i++ {
		switch element[i] {
		case '\\':
			i++
		case '<':
			var body []byte
			for i++; i < len(element) && element[i] != '>'; i++ {
				if element[i] == '\\' && i+1 < len(element) {
					if i++; element[i] != '>' {
						body = append(body, '\\')
					}
				}
				body = append(body, element[i])
			}
			out = append(out, string(body))
		}
	}
	return out
}

// folders returns the folders that a rule has for paths, and whether the command gets open files of them.
func folders(r *filters.Rule) (dirs []string, held []bool) {
	switch r.Class {
	case "PathFilter":
		for _, a := range r.Args {
			if strings.HasPrefix(a, "/") {
				dirs, held = append(dirs, a), append(held, false)
			}
		}
	case "ArgvFilter":
		for _, element := range r.Args {
			for _, hole := range holes(element) {
				if dir, ok := strings.CutPrefix(hole, "path:"); ok {
					dir, fd := strings.CutSuffix(dir, ",fd")
					dirs, held = append(dirs, dir), append(held, fd)
				}
			}
		}
	}
	return dirs, held
}

// anyArguments says whether a rule takes any arguments after the program's name.
func anyArguments(r *filters.Rule) bool { return r.Class == "CommandFilter" || r.Class == "EnvFilter" }

// program finds rules that are worth more than they seem for what their program can do.
func (c *checker) program(r *filters.Rule) {
	if r.Class == "CommandFilter" && len(r.Args) > 0 {
		c.rule(r, Warning, IgnoredArguments, argv(r, strings.Join(escape(r.Args), ", ")),
			"a CommandFilter takes any arguments; %q restrict nothing", strings.Join(r.Args, ", "))
	}
	p, dangerous := Dangerous(r.Exec)
	choice := c.choice(r)
	switch {
	case r.Class == "IpFilter":
		c.rule(r, Note, AnyArguments, argv(r, "link, set, <ifname>, up|down"), "every use of ip is allowed, but those that run a program")
	case dangerous && choice != "":
		instead := strings.ReplaceAll(p.Instead, "%r", r.RunAs)
		c.rule(r, Warning, DangerousProgram, instead, "%s %s, and %s: %s", base(r.Exec), p.How, choice, consequence(p.Power, r.RunAs))
	case anyArguments(r):
		c.rule(r, Note, AnyArguments, argv(r, "…")+"; privhelper suggest makes it from the audit log", "any arguments are allowed")
	}
}

// choice says what of a rule's arguments is the caller's to choose, or nothing.
func (c *checker) choice(r *filters.Rule) string {
	if anyArguments(r) {
		return "any arguments are allowed"
	}
	if i := slices.Index(r.Args, "pass"); r.Class == "PathFilter" && i >= 0 {
		return fmt.Sprintf("argument %d may be anything", i+1)
	}
	for _, s := range c.slots(r) {
		if open(s.ok, s.options) {
			return fmt.Sprintf("argument %d may be anything", s.arg)
		}
		if o := option(s.text, s.ok); o != "" {
			return fmt.Sprintf("argument %d may be an option such as %s", s.arg, o)
		}
	}
	return ""
}

// arguments finds patterns and folders that allow more than they seem to.
func (c *checker) arguments(r *filters.Rule) {
	_, dangerous := Dangerous(r.Exec)
	said := c.choice(r) // by program
	for _, s := range c.slots(r) {
		if open(s.ok, s.options) {
			if !dangerous {
				c.rule(r, Warning, OpenPattern, argv(r, "…, <name>, …"), "pattern %q of argument %d matches anything", s.text, s.arg)
			}
			continue
		}
		if o := option(s.text, s.ok); o != "" && !(dangerous && strings.Contains(said, fmt.Sprintf("argument %d ", s.arg))) {
			c.rule(r, Warning, OptionPattern, "an ArgvFilter, whose holes match no option", "pattern %q of argument %d matches the option %s", s.text, s.arg, o)
		}
		if path := outside(s.text, s.ok); path != "" {
			c.rule(r, Warning, Traversal, argv(r, "…, <path:"+folderOf(path)+">, …"), "pattern %q of argument %d matches %s", s.text, s.arg, path)
		}
		if part, meant := dot(s.text); part != "" && s.ok(sampleOf(s.text, part)) {
			c.rule(r, Note, UnescapedDot, meant, "the dot of %s in argument %d matches any byte", part, s.arg)
		}
	}
	if r.Class == "RegExpFilter" && len(r.Args) > 0 {
		p, err := pyre.Compile(r.Args[0], c.anchor())
		if err == nil && !p.Match(r.Exec) && !p.Match(base(r.Exec)) {
			c.rule(r, Warning, NamePattern, base(r.Exec)+", "+r.Args[0], "the first pattern, %q, is compared with the command's name and does not match %s: callers must call it something else", r.Args[0], r.Exec)
		}
	}
	for i, text := range r.Args {
		if path := temporary(r, text); path != "" {
			c.rule(r, Warning, PathRace, "a folder of root's", "argument %d may be %s: everybody may put a file or a link there first", number(r, i), path)
			break
		}
	}
	dirs, _ := folders(r)
	for _, dir := range dirs {
		if SystemFolder(dir) {
			c.rule(r, Warning, BroadPath, "a folder that is for this alone", "all below %s is allowed, which is the system's own", dir)
		}
	}
}

// temporary returns a path in a folder where everybody may make files, if a rule's argument allows one by its text.
func temporary(r *filters.Rule, text string) string {
	texts := []string{text}
	switch r.Class {
	case "RegExpFilter", "ChainingRegExpFilter":
		texts = samples(text, "x")
	case "PathFilter", "ReadFileFilter", "ArgvFilter":
	default:
		return ""
	}
	for _, t := range texts {
		for _, dir := range []string{"/tmp/", "/var/tmp/", "/dev/shm/"} {
			if i := strings.Index(t, dir); i == 0 || i > 0 && t[i-1] == '=' {
				return t[i:]
			}
		}
	}
	return ""
}

// number is that of a rule's i-th element among the command's arguments.
func number(r *filters.Rule, i int) int {
	if r.Class == "PathFilter" || r.Class == "ArgvFilter" || r.Class == "ReadFileFilter" {
		return i + 1
	}
	return i
}

// systemFolders are no folders to leave to a caller.
var systemFolders = []string{"", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/opt", "/proc", "/root", "/run", "/sbin", "/srv", "/sys", "/tmp", "/usr", "/usr/bin", "/usr/lib", "/usr/local", "/usr/sbin", "/var", "/var/lib", "/var/run", "/var/tmp"}

// sampleOf is the shortest text of a pattern, with another byte for the dot in part.
func sampleOf(pattern, part string) string {
	for _, s := range samples(pattern, "x") {
		i := strings.IndexByte(part, '.')
		if at := strings.Index(s, part[:i]+"a"+part[i+1:]); at >= 0 {
			return s
		}
	}
	return ""
}

// folderOf is the folder before the first "..".
func folderOf(path string) string {
	before, _, _ := strings.Cut(path, "..")
	before = before[:strings.LastIndexByte(before, '/')+1]
	if i := strings.IndexByte(before, '/'); i >= 0 {
		before = before[i:]
	}
	if before = strings.TrimSuffix(before, "/x/"); before == "/" || before == "" {
		return "DIR"
	}
	return strings.TrimSuffix(before, "/")
}

// argv writes an ArgvFilter for a rule's program.
func argv(r *filters.Rule, rest string) string {
	return fmt.Sprintf("%s: ArgvFilter, %s, %s, %s", r.Name, r.Exec, r.RunAs, rest)
}

// escape writes words so that an ArgvFilter takes them for themselves.
func escape(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		var b strings.Builder
		for _, c := range []byte(w) {
			if strings.IndexByte(`,<>[]|*\`, c) >= 0 {
				b.WriteByte('\\')
			}
			b.WriteByte(c)
		}
		out[i] = b.String()
	}
	return out
}

func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// SystemFolder says whether a folder is one of the system's own, below which a caller should choose no path.
func SystemFolder(dir string) bool {
	return slices.Contains(systemFolders, strings.TrimSuffix(dir, "/"))
}
