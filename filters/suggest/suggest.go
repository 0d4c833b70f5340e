// Package suggest proposes narrow rules for what a helper was asked for: it reads the lines of the audit log and writes
// ArgvFilters that allow these commands and others of the same shape. It is pure, is linked by `privhelper suggest`, and
// never by what serves clients.
//
//	lines, skipped, err := suggest.Read(file)
//	p := suggest.Propose(lines, suggest.Options{RunAs: "root"})
//	os.Stdout.WriteString(p.Text())
//
// Whoever controls a client chooses what stands in the log: a proposal is for a person to read, not to install. It keeps
// to these rules:
//   - an argument in which one value was seen stays that value, unless it is a uuid or a MAC address;
//   - several values become the narrowest hole that all of them fit, and never one that matches an option;
//   - words become alternatives, and only in combinations that were seen;
//   - a program that runs what its arguments name gets no hole for a name or a path;
//   - what cannot be had so is left out, with the reason.
package suggest

import (
	"cmp"
	"slices"
	"sort"
	"strings"
)

// A Line is one decision of the audit log.
type Line struct {
	Argv    []string
	Env     []string
	Dir     string
	UID     uint32 // of the client
	Allowed bool
	Learned bool   // by the learning file alone, whether it ran or not
	Rule    string // that allowed it
	File    string // where that stands
	RunAs   string // of that rule
}

// Options of Propose.
type Options struct {
	// RunAs is whom a command that was refused is to run as: the log cannot know it. Needed.
	RunAs string
}

// A Rule is one proposal.
type Rule struct {
	Name     string
	Exec     string
	RunAs    string
	Elements []string // as an ArgvFilter has them
	Env      []string // as env of the rule's section has them; none: no section
	Lines    []Line   // that it was made from
}

// A Left is a command for which nothing is proposed.
type Left struct {
	Argv   []string // the first of its kind
	Count  int
	Reason string
}

// A Proposal is what Propose found.
type Proposal struct {
	Rules []Rule
	Left  []Left
}

// Propose makes rules of lines. Each line is allowed by one of the rules, or is counted in Left. The same lines in
// another order make the same proposal.
func Propose(lines []Line, opt Options) Proposal {
	var p Proposal
	groups := map[string][]Line{}
	left := map[string]*Left{}
	leave := func(reason string, lines ...Line) {
		key := lines[0].Argv[0] + "\x00" + reason
		if left[key] == nil {
			left[key] = &Left{Argv: lines[0].Argv, Reason: reason}
		}
		left[key].Count += len(lines)
	}
	for _, l := range lines {
		if len(l.Argv) == 0 {
			continue
		}
		if !l.Allowed && !l.Learned {
			l.RunAs = opt.RunAs
		}
		if reason := hopeless(l); reason != "" {
			leave(reason, l)
			continue
		}
		key := skeleton(l)
		groups[key] = append(groups[key], l)
	}
	for _, group := range groups {
		sort.Slice(group, func(i, j int) bool { return slices.Compare(group[i].Argv, group[j].Argv) < 0 })
		for _, b := range split(branch{lines: group}, leave) {
			r := Rule{Exec: group[0].Argv[0], RunAs: group[0].RunAs, Elements: b.elements, Env: environment(b.lines), Lines: b.lines}
			if err := r.loads(); err != nil {
				leave(err.Error(), b.lines...)
				continue
			}
			p.Rules = append(p.Rules, r)
		}
	}
	sortRules(p.Rules)
	p.Rules = merge(p.Rules)
	sortRules(p.Rules)
	nameAll(p.Rules)
	for _, l := range left {
		p.Left = append(p.Left, *l)
	}
	sort.Slice(p.Left, func(i, j int) bool {
		a, b := p.Left[i], p.Left[j]
		return cmp.Or(strings.Compare(a.Argv[0], b.Argv[0]), strings.Compare(a.Reason, b.Reason)) < 0
	})
	return p
}

func sortRules(rules []Rule) {
	sort.Slice(rules, func(i, j int) bool {
		a, b := &rules[i], &rules[j]
		return cmp.Or(strings.Compare(a.Exec, b.Exec), strings.Compare(a.RunAs, b.RunAs), slices.Compare(a.Elements, b.Elements), slices.Compare(a.Env, b.Env)) < 0
	})
}

// merge joins two rules that differ in one element alone, where both have words: what the two allow together is what the
// one does then, and nothing else. Each round may make rules alike that were not.
func merge(rules []Rule) []Rule {
	for merged := true; merged; {
		merged = false
		for i := 0; i < len(rules); i++ {
			r := &rules[i]
			// Rules of one program lie together.
			for j := i + 1; j < len(rules) && rules[j].Exec == r.Exec; j++ {
				at := differs(r, &rules[j])
				if at < 0 {
					continue
				}
				words := append(strings.Split(r.Elements[at], "|"), strings.Split(rules[j].Elements[at], "|")...)
				slices.Sort(words)
				r.Elements = slices.Clone(r.Elements)
				r.Elements[at] = strings.Join(words, "|")
				r.Lines = append(slices.Clip(r.Lines), rules[j].Lines...)
				rules = slices.Delete(rules, j, j+1)
				j--
				merged = true
			}
		}
	}
	return rules
}

// maxWords is how many alternatives one element gets.
const maxWords = 16

// differs returns the one place in which two rules have different words, or -1.
func differs(a, b *Rule) int {
	if a.Exec != b.Exec || a.RunAs != b.RunAs || len(a.Elements) != len(b.Elements) || !slices.Equal(a.Env, b.Env) {
		return -1
	}
	at := -1
	for i := range a.Elements {
		switch {
		case a.Elements[i] == b.Elements[i]:
		case at >= 0 || !wordsOnly(a.Elements[i]) || !wordsOnly(b.Elements[i]):
			return -1
		default:
			at = i
		}
	}
	if at >= 0 && strings.Count(a.Elements[at]+b.Elements[at], "|")+2 > maxWords {
		return -1
	}
	return at
}

// wordsOnly says whether an element is made of words: no hole, no option, nothing escaped.
func wordsOnly(element string) bool {
	for word := range strings.SplitSeq(element, "|") {
		if word == "" || word[0] == '-' || strings.ContainsAny(word, `<>\`) {
			return false
		}
	}
	return true
}
