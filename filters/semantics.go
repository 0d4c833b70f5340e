package filters

import "fmt"

// Semantics says whose reading of a policy holds. The zero value is Strict.
type Semantics uint8

const (
	// Strict never accepts what oslo.rootwrap refuses for rules of its classes, and refuses more in the ways that the
	// constants of type Deviation name.
	Strict Semantics = iota
	// Oslo gives the verdicts of oslo.rootwrap, its unsafe acceptances included; those stand in Verdict.Unsafe.
	Oslo
)

// String returns "strict" or "oslo".
func (s Semantics) String() string {
	if s == Oslo {
		return "oslo"
	}
	return "strict"
}

// ParseSemantics reads what String writes.
func ParseSemantics(s string) (Semantics, error) {
	switch s {
	case "strict":
		return Strict, nil
	case "oslo":
		return Oslo, nil
	}
	return Strict, fmt.Errorf("semantics %q is not known: write strict or oslo", s)
}

// A Deviation is one way in which strict refuses what oslo.rootwrap accepts. The empty one is none: both refuse.
type Deviation string

const (
	// BuiltinPrivsepHelper: rootwrap always allows privsep-helper with any arguments.
	BuiltinPrivsepHelper Deviation = "builtin-privsep-helper"
	// ChainBasename: rootwrap judges the base name of an inner command and runs the path as given.
	ChainBasename Deviation = "chain-basename"
	// ChainInner: rootwrap drops the inner rule's environment, canonical paths, run_as and executable.
	ChainInner Deviation = "chain-inner"
	// IPExec: rootwrap knows one spelling of ip netns exec; ip knows more, and other ways to run programs.
	IPExec Deviation = "ip-exec"
	// PathPrefix: rootwrap compares paths as text.
	PathPrefix Deviation = "path-prefix"
	// ReadFile: rootwrap gives the path to /bin/cat; strict gives it the opened regular file.
	ReadFile Deviation = "read-file"
	// RegexpAnchor: rootwrap anchors the last alternative alone and lets a final newline pass.
	RegexpAnchor Deviation = "regexp-anchor"
	// EnvValues: rootwrap compares names alone, of any variable.
	EnvValues Deviation = "env-values"
	// RunAsGroups: rootwrap changes the uid and keeps root's groups.
	RunAsGroups Deviation = "run-as-groups"
	// KillRace: rootwrap reads a link, then starts /bin/kill.
	KillRace Deviation = "kill-race"
	// KillPid: rootwrap takes what Python's int() takes.
	KillPid Deviation = "kill-pid"
	// UnknownClass: rootwrap skips rules whose class it does not know.
	UnknownClass Deviation = "unknown-class"
	// BadLine: rootwrap skips or never matches rules that make no sense.
	BadLine Deviation = "bad-line"
	// FileTrust: rootwrap never looks at owners.
	FileTrust Deviation = "file-trust"
	// FileNames: rootwrap reads every file of a folder.
	FileNames Deviation = "file-names"
)
