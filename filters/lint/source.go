package lint

import (
	"fmt"
	"strings"

	"github.com/privhelper/privhelper/filters"
)

// A comment accepts a finding, with the reason, so that a policy can be clean and say what its author knows:
//
//	# accept uid0-owns-files: ip makes files in /run/netns, which is root's
//	add: ArgvFilter, ip, root, netns, add, <netns>
//
// In the lines of comment right above a rule it holds for that rule; above the first section for the whole file.

// A line is one of a policy file that means something here.
type line struct {
	number  int
	comment string // what follows "# accept "
	key     string // of an item of [Filters], in lower case
}

// lines finds items and comments as the parser does: an item begins where no white space does, or no deeper than the last.
// above says which comments stand above the first section.
func lines(text string) (out []line, above int) {
	section, number, first := "", 0, false
	for l := range strings.Lines(text) {
		number++
		trimmed := strings.TrimSpace(l)
		switch {
		case strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, ";"):
			if c, ok := strings.CutPrefix(strings.TrimSpace(trimmed[1:]), "accept "); ok {
				out = append(out, line{number: number, comment: c})
			}
		case trimmed == "" || l[0] == ' ' || l[0] == '\t':
		case trimmed[0] == '[' && strings.HasSuffix(trimmed, "]"):
			if !first {
				first, above = true, len(out)
			}
			section = trimmed[1 : len(trimmed)-1]
		case section == "Filters" || section == "DEFAULT":
			if i := strings.IndexAny(trimmed, "=:"); i > 0 {
				out = append(out, line{number: number, key: strings.ToLower(strings.TrimSpace(trimmed[:i]))})
			}
		}
	}
	if !first {
		above = len(out)
	}
	return out, above
}

// names finds rules of one name.
func (c *checker) names(rules []*filters.Rule) {
	for _, s := range c.Sources {
		seen := map[string]int{}
		found, _ := lines(string(s.Text))
		for _, l := range found {
			if l.key == "" {
				continue
			}
			if at, twice := seen[l.key]; twice {
				c.found = append(c.found, Finding{File: s.File, Line: at, Severity: Warning, Name: DuplicateName, Rule: l.key,
					Msg: fmt.Sprintf("rule %s stands again in line %d: this one is not counted", l.key, l.number), Instead: "another name for one of them"})
			}
			seen[l.key] = l.number
		}
	}
	first := map[string]*filters.Rule{}
	for _, r := range rules {
		if f := first[r.Name]; f != nil && f.File != r.File {
			c.rule(r, Note, DuplicateName, "another name for one of them", "has the name of a rule of %s:%d: the audit log tells them apart by file and line alone", f.File, f.Line)
			continue
		}
		first[r.Name] = r
	}
}

// accept marks what comments accept, and finds comments that accept nothing.
func (c *checker) accept() {
	var useless []Finding
	for _, s := range c.Sources {
		found, above := lines(string(s.Text))
		for i, l := range found {
			if l.comment == "" {
				continue
			}
			name, reason, _ := strings.Cut(l.comment, ":")
			reason = strings.TrimSpace(reason)
			target := 0 // the whole file
			if i >= above {
				target = ruleBelow(found, i)
			}
			msg := fmt.Sprintf("accept %s: there is no such finding here", name)
			if reason == "" {
				msg = fmt.Sprintf("accept %s has no reason", name)
			} else if c.mark(s.File, target, i < above, Name(name), reason) {
				continue
			}
			useless = append(useless, Finding{File: s.File, Line: l.number, Severity: Note, Name: UselessAccept, Msg: msg, Instead: "# accept NAME: reason, right above the rule"})
		}
	}
	c.found = append(c.found, useless...)
}

// ruleBelow returns the line of the rule that a comment stands above: only other accepting comments may lie between.
func ruleBelow(found []line, i int) int {
	for at := found[i].number; i+1 < len(found); i++ {
		if next := found[i+1]; next.number-at > maxComment {
			break
		} else if next.key != "" {
			return next.number
		}
		at = found[i+1].number
	}
	return -1
}

// maxComment is how many lines of comment a reason may take up before the rule or the next acceptance.
const maxComment = 6

func (c *checker) mark(file string, line int, whole bool, name Name, reason string) (any bool) {
	for i := range c.found {
		f := &c.found[i]
		if f.File == file && f.Name == name && f.Severity < Error && (whole || f.Line == line) {
			f.Accepted, any = reason, true
		}
	}
	return any
}
