package pyre

import "math/bits"

// positions matches what most patterns in policies are: sets, one after the other, alternated and repeated, with no place
// asked for inside. It needs no engine and no memory, and its time is linear in the text. Each set of the pattern is one
// position, a bit, and what may follow a position is a word of bits (Glushkov 1961; Navarro and Raffinot, 2001).
type positions struct {
	first, last uint64 // where a text may begin and end
	empty       bool   // the empty text matches
	follow      [maxPositions]uint64
	low         [128]uint64 // which positions take each character below 128
	sets        []*set
}

const maxPositions = 64

// A piece is a part of a pattern while positions are made of it.
type piece struct {
	first, last uint64
	empty       bool
}

// newPositions returns nil where a pattern is more than positions can say: too long when its repetitions are written out,
// or with something in it whose answer depends on more than the next character.
func newPositions(items []*node) *positions {
	p := &positions{}
	whole, ok := p.cat(items)
	if !ok {
		return nil
	}
	p.first, p.last, p.empty = whole.first, whole.last, whole.empty
	for i, s := range p.sets {
		for r := rune(0); r < 128; r++ {
			if s.contains(r) {
				p.low[r] |= 1 << i
			}
		}
	}
	return p
}

func (p *positions) add(n *node) (piece, bool) {
	switch n.op {
	case opSet:
		if len(p.sets) == maxPositions {
			return piece{}, false
		}
		bit := uint64(1) << len(p.sets)
		p.sets = append(p.sets, n.set)
		return piece{bit, bit, false}, true
	case opCat:
		return p.cat(n.subs)
	case opGroup:
		return p.add(n.subs[0])
	case opAlt:
		var all piece
		for _, sub := range n.subs {
			one, ok := p.add(sub)
			if !ok {
				return piece{}, false
			}
			all = piece{all.first | one.first, all.last | one.last, all.empty || one.empty}
		}
		return all, true
	case opRepeat:
		if n.kind != possessive { // greedy and lazy find different parts, and the same whole
			return p.repeat(n)
		}
	}
	return piece{}, false
}

func (p *positions) cat(items []*node) (piece, bool) {
	all := piece{empty: true}
	for _, n := range items {
		one, ok := p.add(n)
		if !ok {
			return piece{}, false
		}
		all = p.join(all, one)
	}
	return all, true
}

// repeat writes a repetition out: x{2,4} is x x x? x?, and the last of x{2,} may follow itself.
func (p *positions) repeat(n *node) (piece, bool) {
	all := piece{empty: true}
	for i := 0; i < n.max; i++ {
		before := len(p.sets)
		one, ok := p.add(n.subs[0])
		if !ok {
			return piece{}, false
		}
		endless := n.max == endless && i+1 >= n.min
		if endless {
			p.link(one.last, one.first)
		}
		one.empty = one.empty || i >= n.min
		all = p.join(all, one)
		if endless || len(p.sets) == before { // more of what is empty is empty
			break
		}
	}
	return all, true
}

func (p *positions) join(a, b piece) piece {
	p.link(a.last, b.first)
	if a.empty {
		a.first |= b.first
	}
	if b.empty {
		b.last |= a.last
	}
	return piece{a.first, b.last, a.empty && b.empty}
}

// link lets each of to follow each of from.
func (p *positions) link(from, to uint64) {
	for ; from != 0; from &= from - 1 {
		p.follow[bits.TrailingZeros64(from)] |= to
	}
}

func (p *positions) match(text string) bool {
	at, then := uint64(0), p.first
	for i := 0; i < len(text); {
		if c := text[i]; c < 128 {
			at = then & p.low[c]
			i++
		} else {
			r, size := next(text[i:])
			at = p.taking(r, then)
			i += size
		}
		if at == 0 {
			return false
		}
		then = 0
		for left := at; left != 0; left &= left - 1 {
			then |= p.follow[bits.TrailingZeros64(left)]
		}
	}
	return at&p.last != 0 || text == "" && p.empty
}

// taking returns which of some positions take r. Copies of one set stand side by side, and are asked once.
func (p *positions) taking(r rune, some uint64) (at uint64) {
	var asked *set
	takes := false
	for ; some != 0; some &= some - 1 {
		i := bits.TrailingZeros64(some)
		if s := p.sets[i]; s != asked {
			asked, takes = s, s.contains(r)
		}
		if takes {
			at |= 1 << i
		}
	}
	return at
}
