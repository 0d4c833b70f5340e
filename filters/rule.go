package filters

import "fmt"

// filtersSection holds the rules of a policy file; [DEFAULT]'s items count into it.
const filtersSection = "Filters"

// A Rule is one line of a policy file. It belongs to its Policy and must not be changed.
type Rule struct {
	Name    string // in lower case
	Class   string // as written: "CommandFilter"
	File    string
	Line    int    // 0 for rootwrap's built-in rule
	Exec    string // the executable as the class understands it: absolute, or looked for in exec_dirs
	RunAs   string // "root", a local user, or UID:GID
	Args    []string
	Section Section // the section of the rule's own name

	// Detached says that what the command leaves behind outlives its client (lifetime = detached).
	Detached bool

	index   int
	kind    kind
	chain   bool      // another command follows, which another rule must allow
	strange Deviation // the whole rule is one that strict would not have: FileNames, BuiltinPrivsepHelper
}

// A Section is what stands below a rule's own name. The zero value is none.
type Section struct {
	Line  int
	Items []Item
}

// An Item is one key of a Section.
type Item struct {
	Key, Value string
	Line       int
}

// adopt takes the rule's own section over. An item that is not known refuses the policy in both semantics: a section
// narrows its rule, and what narrows must never be ignored, though Python would.
func (r *Rule) adopt(s *section) error {
	r.Section.Line = s.line
	for _, it := range s.items {
		r.Section.Items = append(r.Section.Items, Item{it.name, it.value, it.line})
		fail := func(format string, args ...any) error {
			return &Error{File: r.File, Line: it.line, Msg: fmt.Sprintf(format, args...), Deviation: BadLine}
		}
		if it.name != "lifetime" {
			return fail("key %q of rule %q is not known", it.name, r.Name)
		}
		switch it.value {
		case "client":
			r.Detached = false
		case "detached":
			r.Detached = true
		default:
			return fail("lifetime %q of rule %q is not known: write client or detached", it.value, r.Name)
		}
	}
	return nil
}
