package argv

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// A step is what an argument is compared with, or where to go on.
type step struct {
	op  op
	arg argument // opArgument
	// opFork goes on at either, and takes next before other.
	next, other int
}

type op uint8

const (
	opMatch op = iota
	opArgument
	opFork
)

// A table is rows of bits, one for each step.
type table struct {
	width int // words a row
	bits  []uint64
}

// table returns an empty one of so many rows, in the memory of few if that is enough.
func (p *Pattern) table(few []uint64, rows int) table {
	t := table{width: (len(p.prog) + 63) / 64}
	if need := t.width * rows; need > len(few) {
		t.bits = make([]uint64, need)
	} else {
		t.bits = few[:need]
	}
	return t
}

func (t *table) row(i int) []uint64 { return t.bits[i*t.width : (i+1)*t.width] }
func (t *table) has(i, pc int) bool { return t.bits[i*t.width+pc/64]&(1<<(pc%64)) != 0 }
func (t *table) set(i, pc int)      { t.bits[i*t.width+pc/64] |= 1 << (pc % 64) }
func (t *table) clear(i, pc int)    { t.bits[i*t.width+pc/64] &^= 1 << (pc % 64) }

// common says whether two rows have a step in common.
func common(a, b []uint64) bool {
	for w := range a {
		if a[w]&b[w] != 0 {
			return true
		}
	}
	return false
}

// link finds out once which arguments can follow each step, so that no decision goes through forks.
func (p *Pattern) link() {
	p.follow = p.table(nil, len(p.prog))
	var one [maxSteps / 64]uint64
	seen := p.table(one[:], 1)
	for pc := range p.prog {
		clear(seen.bits)
		p.reach(pc, pc, &seen)
	}
}

// reach adds to what follows the step from all that can be had from pc without an argument.
func (p *Pattern) reach(from, pc int, seen *table) {
	for !seen.has(0, pc) {
		seen.set(0, pc)
		s := &p.prog[pc]
		if s.op != opFork {
			p.follow.set(from, pc)
			return
		}
		p.reach(from, s.other, seen)
		pc = s.next
	}
}

// Match compares args, the arguments after the command's name, and returns the paths in them that must be resolved.
func (p *Pattern) Match(args []string) ([]Use, bool) {
	if len(p.prog) == 0 {
		return nil, len(args) == 0
	}
	var few [32]uint64 // on the stack, and enough for most
	t := p.table(few[:], len(args)+1)
	if p.run(&t, args) < len(args) || !t.has(len(args), len(p.prog)-1) {
		return nil, false
	}
	if !p.paths {
		return nil, true // only a path needs to know which way was gone
	}
	return p.walk(args, &t), true
}

// run goes through args as far as any step allows, and returns how far. Row n of t then has the steps that argument n
// fits, and the last one what could come next, if all of them fit.
func (p *Pattern) run(t *table, args []string) int {
	copy(t.row(0), p.follow.row(0))
	for n, a := range args {
		fits, at, then := false, t.row(n), t.row(n+1)
		for w, asked := range at {
			var fit uint64
			for ; asked != 0; asked &= asked - 1 {
				pc := w*64 + bits.TrailingZeros64(asked)
				if s := &p.prog[pc]; s.op == opArgument && s.arg.match(a) {
					fit |= asked & -asked
					for i, next := range p.follow.row(pc + 1) {
						then[i] |= next
					}
				}
			}
			at[w] = fit
			fits = fits || fit != 0
		}
		if !fits {
			return n
		}
	}
	return len(args)
}

// walk goes the way that takes the first choice of every fork that leads to the end. It first strikes out of t, from the
// end backwards, what does not lead there.
func (p *Pattern) walk(args []string, t *table) (uses []Use) {
	last := t.row(len(args))
	clear(last)
	t.set(len(args), len(p.prog)-1)
	for n := len(args) - 1; n >= 0; n-- {
		for pc := range p.prog {
			if t.has(n, pc) && !common(p.follow.row(pc+1), t.row(n+1)) {
				t.clear(n, pc)
			}
		}
	}
	pc := 0
	for n, a := range args {
		for p.prog[pc].op == opFork {
			if s := &p.prog[pc]; common(p.follow.row(s.next), t.row(n)) {
				pc = s.next
			} else {
				pc = s.other
			}
		}
		uses = p.prog[pc].arg.uses(a, n, uses)
		pc++
	}
	return uses
}

// Explain says which argument of a list that does not match is wrong, and what could have stood there.
func (p *Pattern) Explain(args []string) string {
	if len(p.prog) == 0 {
		return "the rule allows no arguments"
	}
	t := p.table(nil, len(args)+1)
	n := p.run(&t, args)
	clear(t.bits)
	p.run(&t, args[:n]) // again, for what could have stood where nothing fitted
	var wants []string
	for pc := range p.prog {
		if s := &p.prog[pc]; s.op == opArgument && t.has(n, pc) && !slices.Contains(wants, s.arg.String()) {
			wants = append(wants, s.arg.String())
		}
	}
	want := strings.Join(wants, " or ")
	switch {
	case n == len(args):
		return fmt.Sprintf("it ends after %d arguments, where %s must follow", n, want)
	case want == "":
		return fmt.Sprintf("argument %d, %q, is one more than the rule allows", n+1, args[n])
	case args[n] != "" && args[n][0] == '-' && !strings.Contains(want, "-"):
		return fmt.Sprintf("argument %d, %q, is an option that the rule does not have, which wants %s", n+1, args[n], want)
	}
	return fmt.Sprintf("argument %d, %q, is not %s", n+1, args[n], want)
}
