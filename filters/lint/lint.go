// Package lint finds what is weak in a policy that loads: rules that are a root shell, patterns that allow more than they
// seem to, rules that nothing reaches. It is pure, is linked by the tools of cmd/privhelper, and never by what serves
// clients: a finding is advice to the author of a policy, a verdict never depends on one.
//
//	for _, f := range lint.Check(lint.Input{Config: cfg, Policy: policy, Sources: files}) {
//		fmt.Println(f) // net.filters:3: warning: tee writes any file … (dangerous-program)
//	}
//
// What must be asked of a machine goes through the interface Machine, and is left out where there is none.
package lint

import (
	"cmp"
	"fmt"
	"sort"

	"github.com/privhelper/privhelper/filters"
)

// A Severity says what a finding is worth. The zero value is Note.
type Severity uint8

const (
	// Note: it works as written and could be narrower or clearer.
	Note Severity = iota
	// Warning: it allows more than it seems to, or cannot do what it is for.
	Warning
	// Error: a helper refuses the whole policy for it.
	Error
)

// String returns "note", "warning" or "error".
func (s Severity) String() string { return [...]string{"note", "warning", "error"}[s] }

// ParseSeverity reads what String writes.
func ParseSeverity(s string) (Severity, error) {
	for _, known := range []Severity{Note, Warning, Error} {
		if s == known.String() {
			return known, nil
		}
	}
	return Error, fmt.Errorf("severity %q is not known: write note, warning or error", s)
}

// A Finding is one weakness, where it stands, and what to write instead.
type Finding struct {
	File     string
	Line     int // 0 where the file as a whole is meant
	Severity Severity
	Name     Name
	Rule     string // the rule's name; empty where none is meant
	Msg      string
	Instead  string // what to write; empty where Msg says it
	Accepted string // the reason that the policy's author gave for keeping it; empty: not accepted
}

// String returns FILE:LINE: severity: message (name), as compilers do.
func (f Finding) String() string {
	place := f.File
	if f.Line > 0 {
		place = fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	return fmt.Sprintf("%s: %s: %s (%s)", place, f.Severity, f.Msg, f.Name)
}

// A Machine answers what some findings depend on.
type Machine interface {
	filters.Machine
	// Writable returns the first folder, dir itself or one below it, that others than root may write, and says who. Where
	// there is none, or no such dir, folder is empty.
	Writable(dir string) (folder, who string)
}

// Input is what Check looks at. Config and Policy are needed.
type Input struct {
	Config filters.Config
	Policy *filters.Policy
	// Sources are the texts that the policy was made from: for names that stand twice, and comments that accept.
	Sources []filters.Source
	// Machine may be nil: nothing is asked then.
	Machine Machine
	// Nsswitch is the text of /etc/nsswitch.conf; empty where nothing is known of it.
	Nsswitch string
}

// A checker collects findings.
type checker struct {
	Input
	found []Finding
}

// Check returns all findings, by file in the order of the policy, then by line. Those that a comment of the policy accepts
// are among them, with its reason. It may be called from many goroutines at once.
func Check(in Input) []Finding {
	c := &checker{Input: in}
	c.config()
	rules := in.Policy.Rules()
	for _, r := range rules {
		if r.Line == 0 {
			continue // rootwrap's own
		}
		c.program(r)
		c.arguments(r)
		c.unreached(r, rules)
		c.impossible(r, rules)
		c.deviations(r)
		c.owner(r)
		if in.Machine != nil {
			c.machine(r)
		}
	}
	c.names(rules)
	c.accept()
	order := map[string]int{in.Config.File: -1}
	for i, s := range in.Sources {
		order[s.File] = i
	}
	sort.SliceStable(c.found, func(i, j int) bool {
		a, b := c.found[i], c.found[j]
		return cmp.Or(cmp.Compare(order[a.File], order[b.File]), cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.Name, b.Name)) < 0
	})
	return c.found
}

// rule adds a finding about a rule.
func (c *checker) rule(r *filters.Rule, s Severity, n Name, instead, format string, args ...any) {
	c.found = append(c.found, Finding{File: r.File, Line: r.Line, Severity: s, Name: n, Rule: r.Name, Msg: fmt.Sprintf("rule %s: ", r.Name) + fmt.Sprintf(format, args...), Instead: instead})
}

// Worst returns the highest severity among findings that are not accepted, and false where there is none.
func Worst(found []Finding) (worst Severity, any bool) {
	for _, f := range found {
		if f.Accepted == "" {
			worst, any = max(worst, f.Severity), true
		}
	}
	return worst, any
}
