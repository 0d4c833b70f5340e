package pyre

// op says what a node is.
type op uint8

const (
	opSet    op = iota // one character of set
	opCat              // subs, one after the other
	opAlt              // one of subs, tried in order
	opRepeat           // subs[0], min to max times
	opGroup            // subs[0], remembered as group
	opAtomic           // subs[0], never tried again once it matched
	opLook             // looks at subs[0] without moving
	opRef              // what group matched, again
	opCond             // subs[0] if group matched, else subs[1] if there is one
	opAt               // a place, not a character
)

// A repeat says how a repetition gives characters back.
type repeat uint8

const (
	greedy repeat = iota
	lazy
	possessive
)

// A place is what opAt asks for.
type place uint8

const (
	atStart      place = iota // \A, and ^ outside of multi-line patterns
	atLineStart               // ^ in a multi-line pattern
	atEnd                     // $: the end, or before a last newline
	atLineEnd                 // $ in a multi-line pattern
	atVeryEnd                 // \Z
	atBoundary                // \b
	atNoBoundary              // \B
)

// A node is one piece of a parsed pattern. Flags are resolved while it is parsed (Python allows global flags at the
// start alone), so that a set already holds both cases where case is ignored.
type node struct {
	op     op
	set    *set
	subs   []*node
	min    int
	max    int // endless for no limit
	kind   repeat
	neg    bool // opLook: must not match
	behind bool // opLook: ends here instead of beginning here
	group  int
	fold   bool // opRef: case is ignored
	ascii  bool // opAt: letters are ASCII's alone
	at     place
}

// endless is the max of a repetition without a limit.
const endless = 1<<31 - 1

// single returns the rune that n matches if it is exactly one.
func (n *node) single() (rune, bool) {
	if n.op != opSet {
		return 0, false
	}
	return n.set.single()
}

// width returns the shortest and the longest length of what n matches, in characters, cut off at endless. Python
// demands that both be equal in a look-behind.
func (n *node) width(groups []group) (int, int) {
	switch n.op {
	case opSet:
		return 1, 1
	case opCat:
		lo, hi := 0, 0
		for _, sub := range n.subs {
			l, h := sub.width(groups)
			lo, hi = capped(lo+l), capped(hi+h)
		}
		return lo, hi
	case opAlt:
		lo, hi := endless, 0
		for _, sub := range n.subs {
			l, h := sub.width(groups)
			lo, hi = min(lo, l), max(hi, h)
		}
		return lo, hi
	case opRepeat:
		l, h := n.subs[0].width(groups)
		return product(l, n.min), product(h, n.max)
	case opGroup, opAtomic:
		return n.subs[0].width(groups)
	case opRef:
		return groups[n.group].lo, groups[n.group].hi
	case opCond:
		l, h := n.subs[0].width(groups)
		if len(n.subs) == 1 {
			return 0, h
		}
		l2, h2 := n.subs[1].width(groups)
		return min(l, l2), max(h, h2)
	}
	return 0, 0
}

func capped(n int) int { return min(n, endless) }

func product(a, b int) int {
	if a == 0 || b == 0 {
		return 0
	}
	if a > endless/b {
		return endless
	}
	return a * b
}
