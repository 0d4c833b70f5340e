// Package argv is the language of ArgvFilter: one pattern for each argument of a command. It is pure, and runs as root.
//
//	p, err := argv.Parse("link, set, <ifname>, up|down")
//	_, ok := p.Match([]string{"link", "set", "eth0", "up"}) // true
//
// The grammar, in which a space around a comma means nothing:
//
//	sequence    = element { "," element }
//	element     = argument [ "*" ]              with * once or more
//	            | "[" sequence "]" [ "*" ]      may be left out; with * any number of times
//	argument    = text { "|" text }             the first that fits counts
//	text        = { byte | "\" punctuation | hole }
//	hole        = "<" kind [ ":" parameter ] ">"
//
// Every byte stands for itself but those of , < > [ ] | * and \, which a backslash makes ordinary, as it does a space at
// either end. A hole never matches nothing, and at the beginning of an argument it never matches a "-": an option is
// matched only by a pattern that has it written.
//
// An argument list is judged in time that grows with its length alone: there is no backtracking, and <re:…> is Go's
// regexp. Where a list can be read in two ways, what stands first in the pattern takes as much as it can.
package argv

import "fmt"

// A Pattern is what an argument list, without the command's name, is compared with. It is made by Parse, is not changed,
// and may be used by many goroutines at once. The zero Pattern matches the empty list alone.
type Pattern struct {
	elements []string // as written, for people
	prog     []step
	follow   table // of each step: which arguments can come next when it is reached, or the end
	paths    bool  // some hole is a path
}

// Elements returns the pattern as it was written, cut at its outer commas.
func (p *Pattern) Elements() []string { return p.elements }

// A Use is where an argument must lie beneath a folder. The caller resolves it, and runs the bytes that it resolved.
type Use struct {
	Arg        int    // the number of the argument, from 0
	Offset     int    // where in the argument the path begins
	Dir        string // the folder, absolute
	Descriptor bool   // the command gets /proc/self/fd/N of what was checked, not the path
}

// maxSteps bounds a pattern, so that one line of a policy cannot make every decision slow.
const maxSteps = 1024

// Parse reads a pattern. The error names the piece that is wrong and what to write instead.
func Parse(text string) (*Pattern, error) {
	s := newScanner(text)
	if _, err := s.sequence(false); err != nil {
		return nil, err
	}
	p := &Pattern{elements: s.outer, prog: append(s.prog, step{op: opMatch}), paths: s.paths}
	if len(p.prog) > maxSteps {
		return nil, fmt.Errorf("the pattern has %d steps, more than %d", len(p.prog), maxSteps)
	}
	p.link()
	return p, nil
}
