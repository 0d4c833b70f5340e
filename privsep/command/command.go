// Package command is the contract of one filtered command: what a client asks for and what it learns afterwards. Both
// sides link it; clients use it through client.Cmd, helpers through privsep/daemon/rootwrap.
package command

import (
	"time"

	"github.com/privhelper/privhelper/privsep"
)

// Context names commands on the wire. It keeps no capability: what a helper that runs commands keeps is computed from
// its policy.
var Context = privsep.NewContext("command")

// Run runs one command line, if policy allows it.
var Run = privsep.NewEntrypoint[Request, Result](Context, "run")

// ErrTimeout is what a command ends with that its rule's timeout has ended, with all that it had started.
var ErrTimeout = Context.NewError("timeout", "the rule's timeout has passed, and the command was ended")

// A Request is a command line and the three open files that become its standard streams. The streams are the client's
// own descriptors, so that no output passes through the helper; one that is not set is /dev/null.
type Request struct {
	Argv   []string     `msgpack:"argv"`
	Env    []string     `msgpack:"env,omitempty"` // NAME=value; refused unless the rule allows each
	Dir    string       `msgpack:"dir,omitempty"` // refused unless the rule allows it
	Stdin  privsep.File `msgpack:"stdin,omitempty"`
	Stdout privsep.File `msgpack:"stdout,omitempty"`
	Stderr privsep.File `msgpack:"stderr,omitempty"`
	// Pty says that the streams that are terminals are a pseudo-terminal which the client made for this command, whose
	// controlling terminal it becomes. Without it a terminal is refused.
	Pty bool `msgpack:"pty,omitempty"`
}

// List names the rules that are for the client, in the order of the policy. Their arguments are as the policy's author wrote
// them; whether a command line is allowed says Run alone.
var List = privsep.NewEntrypoint[struct{}, []Rule](Context, "list")

// A Rule is what a client may know of a rule.
type Rule struct {
	Name  string   `msgpack:"name"`
	Class string   `msgpack:"class"`
	Exec  string   `msgpack:"exec"`
	RunAs string   `msgpack:"run_as"`
	Args  []string `msgpack:"args,omitempty"`
}

// A Result says how a command ended.
type Result struct {
	PID    int    `msgpack:"pid"`    // as the helper saw it; 0 where the helper did the work itself (KillFilter)
	Rule   string `msgpack:"rule"`   // the rule that allowed it
	Code   int    `msgpack:"code"`   // exit code, −1 where a signal ended it
	Signal int    `msgpack:"signal"` // the signal that ended it, or 0
	Core   bool   `msgpack:"core"`   // it left a core file
	Usage  Usage  `msgpack:"usage"`
}

// Usage is what the command and the children it waited for have used: getrusage(2).
type Usage struct {
	User    time.Duration `msgpack:"user"`
	System  time.Duration `msgpack:"system"`
	MaxRSS  int64         `msgpack:"maxrss"` // KiB
	Minflt  int64         `msgpack:"minflt"`
	Majflt  int64         `msgpack:"majflt"`
	Inblock int64         `msgpack:"inblock"`
	Oublock int64         `msgpack:"oublock"`
	Nvcsw   int64         `msgpack:"nvcsw"`
	Nivcsw  int64         `msgpack:"nivcsw"`
}
