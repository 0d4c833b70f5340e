package filters

import (
	"errors"
	"slices"
)

// A Request is what a caller wants to run.
type Request struct {
	Argv []string // never empty; the first is the command's name, or its path where a rule gives one
	Env  []string // NAME=value, judged as if env NAME=value… stood before Argv
	Dir  string   // the working directory asked for: below the rule's cwd
	// Client is who asks; nil is nobody whom a rule's list of clients names.
	Client Client
}

// A Client is who asks, as the machine knows him.
type Client interface {
	// Is reports whether who is the client, by a user's name or number, or, where it begins with @, a group of the client's.
	Is(who string) bool
}

// An Outcome is what a Verdict comes to. The zero value refuses.
type Outcome uint8

const (
	// Unauthorized: no rule allows the command. Exit code 99.
	Unauthorized Outcome = iota
	// NotExecutable: a rule allows it, but there is no executable that may be run. Exit code 96.
	NotExecutable
	// Match: the command runs as the Verdict says.
	Match
)

// String returns the outcome as explain writes it.
func (o Outcome) String() string {
	switch o {
	case NotExecutable:
		return "not_executable"
	case Match:
		return "match"
	}
	return "unauthorized"
}

// A Verdict is a decision. What runs comes from it and never again from the Request. The zero value is a refusal.
type Verdict struct {
	Outcome Outcome
	Rule    *Rule // the rule that allows; of a chain the outer one

	Path  string   // what is executed: absolute, and without links in Strict
	Argv  []string // argv[0] is the rule's name for it, or its path, in Strict, so that multi-call programs work; Path in Oslo
	Env   []string // NAME=value that the rule adds or lets the client set
	Dir   string   // the working directory; empty is /
	RunAs string   // "root", a local user, or UID:GID
	Stdin string   // if not empty: the file that the helper opens, without links, for standard input
	Kill  *Kill    // if not nil: nothing is executed, the helper sends this signal
	Files []File   // arguments that the command gets as open files

	Learned bool // no rule but one of Config.LearnFile allows it; Unauthorized unless Config.LearnAllow

	Unsafe []string // in Oslo: names of the deviations by which Strict would have refused
	Near   []Near   // of a refusal that Explain has explained: which rules came near

	reached string // the executable by the path it was found at, links and all
}

// Near is a rule that almost allowed a command.
type Near struct {
	Rule   *Rule // nil where the request itself is refused
	Reason string
	// Told is what of Reason a client may learn: the rule's demands and its own arguments, nothing of files that it could
	// not see. Reason itself is for root: explain and the audit log.
	Told string
	// Deviation names why Strict refuses what rootwrap accepts; empty where both refuse.
	Deviation Deviation
}

// Command returns Path and the arguments: what explain prints and what rootwrap would execute. It is nil for a refusal.
func (v Verdict) Command() []string {
	if v.Outcome != Match {
		return nil
	}
	return slices.Concat([]string{v.Path}, v.Argv[1:])
}

// Close gives back what the Verdict holds open. It may be called for every Verdict, and is needed for those with Kill
// or Files.
func (v Verdict) Close() error {
	var errs []error
	for _, f := range v.Files {
		errs = append(errs, f.Held.Close())
	}
	if v.Kill != nil {
		errs = append(errs, v.Kill.Process.Close())
	}
	return errors.Join(errs...)
}
