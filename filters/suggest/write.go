package suggest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/privhelper/privhelper/filters"
)

// hopeless says why no ArgvFilter can be proposed for a line.
func hopeless(l Line) string {
	program := l.Argv[0][strings.LastIndexByte(l.Argv[0], '/')+1:]
	switch {
	case l.Dir != "" && l.Dir != "/":
		return "it wants a working directory: write cwd in the section of a rule"
	case program == "env":
		return "env runs what its arguments name: write an EnvFilter"
	case program == "kill" || program == "pkill" || program == "killall":
		return "a process id says nothing of what it belongs to: write a KillFilter"
	case program != l.Argv[0] && !strings.HasPrefix(l.Argv[0], "/"):
		return "its name is a relative path"
	}
	for i, a := range l.Argv {
		switch {
		case a == "":
			return fmt.Sprintf("argument %d is empty, which no ArgvFilter allows", i)
		case !utf8.ValidString(a) || strings.ContainsFunc(a, func(r rune) bool { return !unicode.IsPrint(r) }):
			return fmt.Sprintf("argument %d has bytes that no policy file can hold", i)
		case strings.TrimSpace(a) != a:
			return fmt.Sprintf("argument %d begins or ends with a blank", i)
		case strings.Contains(a, "***"):
			return fmt.Sprintf("argument %d is a secret, which the log does not show", i)
		}
	}
	if strings.ContainsAny(l.Argv[0], ",") {
		return "its name has a comma"
	}
	return ""
}

// skeleton is what all lines of a group have in common: program, user, and each option where it stands.
func skeleton(l Line) string {
	var b strings.Builder
	b.WriteString(l.RunAs)
	for _, e := range l.Env {
		name, _, _ := strings.Cut(e, "=")
		b.WriteString(" " + name)
	}
	for i, a := range l.Argv {
		b.WriteByte(0)
		switch p := prefix(a); {
		case i == 0 || p == "" && a[0] == '-':
			b.WriteString(a)
		default:
			b.WriteString(p)
		}
	}
	return b.String()
}

// environment returns what lines of one group set: a value that all have is fixed, where a policy can hold it.
func environment(lines []Line) (items []string) {
	for i, e := range lines[0].Env {
		name, value, _ := strings.Cut(e, "=")
		differs := slices.ContainsFunc(lines, func(l Line) bool { return l.Env[i] != e })
		strange := strings.ContainsFunc(value, func(r rune) bool { return r == ',' || !unicode.IsPrint(r) })
		if differs || strange || !utf8.ValidString(value) || strings.TrimSpace(value) != value || strings.Contains(value, "***") {
			e = name
		}
		items = append(items, e)
	}
	return items
}

// loads asks the parser of policies itself. It knows variables that no client may set; an author may fix them, but a log is
// no author, so they are asked about as if the client set them.
func (r Rule) loads() error {
	r.Name, r.Env = "rule", slices.Clone(r.Env)
	for i, e := range r.Env {
		r.Env[i], _, _ = strings.Cut(e, "=")
	}
	_, _, err := filters.ParsePolicy(filters.Config{}, []filters.Source{{File: "proposal", Text: []byte("[Filters]\n" + r.String() + "\n" + r.section())}})
	var e *filters.Error
	if errors.As(err, &e) {
		return errors.New(e.Msg)
	}
	return err
}

// section is the rule's own section, if it has one.
func (r Rule) section() string {
	if len(r.Env) == 0 {
		return ""
	}
	return fmt.Sprintf("\n[%s]\nenv = %s\n", r.Name, strings.Join(r.Env, ", "))
}

// quote writes a text so that an ArgvFilter takes it for itself.
func quote(text string) string {
	var b strings.Builder
	for i := range len(text) {
		if strings.IndexByte(`,<>[]|*\`, text[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// nameAll names rules by their program and first words.
func nameAll(rules []Rule) {
	used := map[string]int{}
	for i := range rules {
		r := &rules[i]
		name := plain(r.Exec[strings.LastIndexByte(r.Exec, '/')+1:])
		for n, e := range r.Elements {
			if n == 3 || !isWord(e) {
				break
			}
			name += "-" + e
		}
		if used[name]++; used[name] > 1 {
			name += "-" + strconv.Itoa(used[name])
		}
		r.Name = name
	}
}

// plain keeps what may stand in the name of a rule.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.' {
			return r
		}
		return '-'
	}, strings.ToLower(s))
	if strings.Trim(s, "-.") == "" {
		return "rule"
	}
	return s
}

// String is the rule as a policy file has it.
func (r Rule) String() string {
	fields := append([]string{r.Name + ": ArgvFilter", r.Exec, r.RunAs}, r.Elements...)
	return strings.Join(fields, ", ")
}

// Text is a policy file with all rules, and in comments how often each was asked for, what allowed it until now, and what
// is left out.
func (p Proposal) Text() string {
	var b strings.Builder
	b.WriteString("# Proposed by privhelper suggest. Whoever controls a client has chosen the lines that this was made from:\n# read each rule before you use it.\n[Filters]\n")
	for _, r := range p.Rules {
		fmt.Fprintf(&b, "# %s\n%s\n", r.origin(), r)
	}
	var sections strings.Builder
	for _, r := range p.Rules {
		sections.WriteString(r.section())
	}
	for _, l := range p.Left {
		fmt.Fprintf(&b, "# left out, %s, such as %q: %s\n", times(l.Count), l.Argv, l.Reason)
	}
	return b.String() + sections.String()
}

// origin says how often a rule's lines were seen, and what became of them.
func (r Rule) origin() string {
	refused := 0
	var rules []string
	for _, l := range r.Lines {
		if !l.Allowed {
			refused++
		} else if name := l.Rule; len(rules) < 4 && !slices.Contains(rules, name) {
			rules = append(rules, name)
		}
	}
	switch {
	case refused == len(r.Lines):
		return times(refused) + ", refused: is it meant to be allowed?"
	case refused > 0:
		return fmt.Sprintf("%s, refused %d of them, else by %q", times(len(r.Lines)), refused, rules)
	}
	return fmt.Sprintf("%s, by %q", times(len(r.Lines)), rules)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return strconv.Itoa(n) + " times"
}
