package filters

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
	Section *Section // the section of the rule's own name; never nil: all rules without one share an empty one

	// Detached says that what the command leaves behind outlives its client (lifetime = detached).
	Detached bool

	// Learning says that the rule stands in Config.LearnFile: it counts only where all others refuse.
	Learning bool

	chain   bool  // another command follows, which another rule must allow
	index   int32 // among all rules
	kind    kind
	strange Deviation // the whole rule is one that strict would not have: FileNames, BuiltinPrivsepHelper
}
