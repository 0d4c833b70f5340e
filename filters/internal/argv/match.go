package argv

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// The steps of a pattern: what an argument is compared with, and where to go on.
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

func (p *Pattern) compile(seq []element) {
	for _, e := range seq {
		fork := -1
		if e.optional {
			p.straight = false
			fork = len(p.prog)
			p.prog = append(p.prog, step{op: opFork, next: fork + 1})
		}
		start := len(p.prog)
		if e.group != nil {
			p.compile(e.group)
		} else {
			p.prog = append(p.prog, step{op: opArgument, arg: e.arg})
			p.paths = p.paths || e.arg.paths()
		}
		if e.repeat {
			p.straight = false
			p.prog = append(p.prog, step{op: opFork, next: start, other: len(p.prog) + 1})
		}
		if fork >= 0 {
			p.prog[fork].other = len(p.prog)
		}
	}
}

// Match compares args, the arguments after the command's name, and returns the paths in them that must be resolved.
func (p *Pattern) Match(args []string) ([]Use, bool) {
	if p.straight || len(p.prog) == 0 {
		return p.matchStraight(args)
	}
	var few [32]uint64 // on the stack, and enough for most
	t := p.table(few[:], len(args))
	n := p.reach(&t, args)
	if n < len(args) || !t.has(n, len(p.prog)-1) {
		return nil, false
	}
	if !p.paths {
		return nil, true // only a path needs to know which way was gone
	}
	return p.walk(args, &t), true
}

func (p *Pattern) matchStraight(args []string) (uses []Use, ok bool) {
	if len(args) != max(0, len(p.prog)-1) {
		return nil, false
	}
	for i, a := range args {
		if uses, ok = p.prog[i].arg.match(a, i, uses); !ok {
			return nil, false
		}
	}
	return uses, true
}

// A table holds, for each place between arguments, the steps that can be reached there.
type table struct {
	width int // words a place
	bits  []uint64
}

// table returns an empty one for a list of n arguments, in the memory of few if that is enough.
func (p *Pattern) table(few []uint64, n int) table {
	t := table{width: (len(p.prog) + 63) / 64}
	if need := t.width * (n + 1); need > len(few) {
		t.bits = make([]uint64, need)
	} else {
		t.bits = few[:need]
	}
	return t
}

func (t *table) has(place, pc int) bool { return t.bits[place*t.width+pc/64]&(1<<(pc%64)) != 0 }

func (t *table) set(place, pc int)   { t.bits[place*t.width+pc/64] |= 1 << (pc % 64) }
func (t *table) clear(place, pc int) { t.bits[place*t.width+pc/64] &^= 1 << (pc % 64) }

// add reaches pc, and all that can be reached from it without an argument.
func (p *Pattern) add(t *table, place, pc int) {
	for !t.has(place, pc) {
		t.set(place, pc)
		s := &p.prog[pc]
		if s.op != opFork {
			return
		}
		p.add(t, place, s.other)
		pc = s.next
	}
}

// reach goes through args as far as any step allows, and returns how far. Of the arguments that fit, only the steps they
// fit stay in the table; at the first that fits none, all that was asked for does.
func (p *Pattern) reach(t *table, args []string) int {
	p.add(t, 0, 0)
	var few [16]int
	for n, a := range args {
		fits, unfit := false, few[:0]
		for w, asked := range t.bits[n*t.width : (n+1)*t.width] {
			for ; asked != 0; asked &= asked - 1 {
				pc := w*64 + bits.TrailingZeros64(asked)
				s := &p.prog[pc]
				if s.op != opArgument {
					continue
				}
				if _, ok := s.arg.match(a, n, nil); ok {
					p.add(t, n+1, pc+1)
					fits = true
				} else {
					unfit = append(unfit, pc)
				}
			}
		}
		if !fits {
			return n
		}
		for _, pc := range unfit {
			t.clear(n, pc)
		}
	}
	return len(args)
}

// walk goes the way that takes the first choice of every fork that leads to the end. It first strikes out, from the end
// backwards, what does not lead there: reach has struck out the arguments that do not fit.
func (p *Pattern) walk(args []string, t *table) (uses []Use) {
	leads := &table{width: t.width, bits: make([]uint64, len(t.bits))}
	for n := len(args); n >= 0; n-- {
		if n == len(args) {
			leads.set(n, len(p.prog)-1)
		} else {
			for pc := range p.prog {
				if p.prog[pc].op == opArgument && t.has(n, pc) && leads.has(n+1, pc+1) {
					leads.set(n, pc)
				}
			}
		}
		// A fork leads where one of its ways does. Those of a repetition lead back, hence the rounds; none leads back
		// without an argument, as Parse saw to.
		for changed := true; changed; {
			changed = false
			for pc := len(p.prog) - 1; pc >= 0; pc-- {
				s := &p.prog[pc]
				if s.op == opFork && !leads.has(n, pc) && (leads.has(n, s.next) || leads.has(n, s.other)) {
					leads.set(n, pc)
					changed = true
				}
			}
		}
	}
	pc := 0
	for n, a := range args {
		for p.prog[pc].op == opFork {
			if s := &p.prog[pc]; leads.has(n, s.next) {
				pc = s.next
			} else {
				pc = s.other
			}
		}
		uses, _ = p.prog[pc].arg.match(a, n, uses)
		pc++
	}
	return uses
}

// Explain says which argument of a list that does not match is wrong, and what could have stood there.
func (p *Pattern) Explain(args []string) string {
	if len(p.prog) == 0 {
		return "the rule allows no arguments"
	}
	t := p.table(nil, len(args))
	n := p.reach(&t, args)
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
