package pyre

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// An emitter writes a parsed pattern for Go's regexp (which has neither references nor look-arounds, and takes time
// linear in the text) or for regexp2 (which has both, and may take for ever). Everything is written out, no flag of
// either engine is used, so that their own ideas of \w, \s, $ and case never apply.
type emitter struct {
	strings.Builder
	linear bool // for Go's regexp
	whole  bool // $ at the very end of the pattern means \z
	failed bool // linear: the pattern needs what Go's regexp has not
}

// emit returns the pattern for one of the engines, anchored at the start, and at the end if whole is set.
func emit(root *node, whole, linear bool) (string, bool) {
	e := &emitter{linear: linear, whole: whole}
	e.WriteString(`\A(?:`)
	e.node(root, true)
	e.WriteByte(')')
	if whole {
		e.WriteString(`\z`)
	}
	return e.Builder.String(), !e.failed
}

// node writes n. last says that nothing after n can take a character: only there can Go's regexp express Python's $.
func (e *emitter) node(n *node, last bool) {
	switch n.op {
	case opSet:
		e.set(n.set)
	case opCat:
		e.sequence(n.subs, last)
	case opAlt:
		e.WriteString("(?:")
		for i, sub := range n.subs {
			if i > 0 {
				e.WriteByte('|')
			}
			e.node(sub, last)
		}
		e.WriteByte(')')
	case opRepeat:
		e.repeat(n)
	case opGroup:
		// Without a name in both engines: regexp2 counts them from the left as Python does.
		e.WriteByte('(')
		e.node(n.subs[0], last)
		e.WriteByte(')')
	case opAt:
		e.place(n, last)
	default:
		if e.linear {
			e.failed = true
			return
		}
		e.backtracking(n)
	}
}

func (e *emitter) sequence(subs []*node, last bool) {
	tail := len(subs)
	if last && e.linear {
		for tail > 0 && subs[tail-1].op == opAt && (subs[tail-1].at == atEnd || subs[tail-1].at == atVeryEnd) {
			tail--
		}
	}
	for i, sub := range subs[:tail] {
		e.node(sub, last && i == len(subs)-1)
	}
	if tail < len(subs) {
		e.end(subs[tail:])
	}
}

// end writes the ends at the end of a pattern for Go's regexp. Nothing follows them, so that "before a last newline"
// may take that newline.
func (e *emitter) end(ends []*node) {
	for _, n := range ends {
		if n.at == atVeryEnd || e.whole {
			e.WriteString(`\z`)
			return
		}
	}
	e.WriteString(`(?:\n?\z)`)
}

func (e *emitter) repeat(n *node) {
	// Go's regexp refuses more than a thousand copies itself; the caller then takes the other engine.
	if n.kind == possessive {
		if e.linear {
			e.failed = true
			return
		}
		e.WriteString("(?>")
		defer e.WriteByte(')')
	}
	e.WriteString("(?:")
	e.node(n.subs[0], false)
	e.WriteByte(')')
	switch {
	case n.max == endless:
		fmt.Fprintf(e, "{%d,}", n.min)
	default:
		fmt.Fprintf(e, "{%d,%d}", n.min, n.max)
	}
	if n.kind == lazy {
		e.WriteByte('?')
	}
}

func (e *emitter) place(n *node, last bool) {
	switch n.at {
	case atStart:
		e.WriteString(`\A`)
	case atLineStart:
		e.WriteString(`(?m:^)`)
	case atLineEnd:
		e.WriteString(`(?m:$)`)
	case atVeryEnd:
		e.WriteString(`\z`)
	case atEnd:
		switch {
		case !e.linear:
			e.WriteString(`(?=\n?\z)`)
		case last:
			e.end([]*node{n})
		default:
			e.failed = true
		}
	case atBoundary, atNoBoundary:
		e.boundary(n)
	}
}

// boundary writes \b and \B by what Python takes for a letter; its \B does not match an empty text.
func (e *emitter) boundary(n *node) {
	if e.linear {
		e.failed = true
		return
	}
	w := `[\p{L}\p{N}_]`
	if n.ascii {
		w = `[a-zA-Z0-9_]`
	}
	if n.at == atBoundary {
		e.WriteString(strings.ReplaceAll(`(?:(?<=W)(?!W)|(?<!W)(?=W))`, "W", w))
		return
	}
	e.WriteString(strings.ReplaceAll(`(?:(?<=W)(?=W)|(?<!W)(?!W)(?!\A\z))`, "W", w))
}

// backtracking writes what only regexp2 knows.
func (e *emitter) backtracking(n *node) {
	switch n.op {
	case opAtomic:
		e.WriteString("(?>")
	case opLook:
		e.WriteString("(?")
		if n.behind {
			e.WriteByte('<')
		}
		if n.neg {
			e.WriteByte('!')
		} else {
			e.WriteByte('=')
		}
	case opRef:
		if n.fold {
			e.WriteString("(?i:")
		} else {
			e.WriteString("(?:")
		}
		fmt.Fprintf(e, `\%d)`, n.group)
		return
	case opCond:
		fmt.Fprintf(e, "(?(%d)", n.group)
		e.WriteString("(?:")
		e.node(n.subs[0], false)
		e.WriteString(")|(?:")
		if len(n.subs) > 1 {
			e.node(n.subs[1], false)
		}
		e.WriteString("))")
		return
	}
	e.node(n.subs[0], false)
	e.WriteByte(')')
}

// spaces are the characters of Python's \s.
var spaces = []rune{
	'\t', '\r', 0x1c, ' ', 0x85, 0x85, 0xa0, 0xa0, 0x1680, 0x1680, 0x2000, 0x200a, 0x2028, 0x2029, 0x202f, 0x202f,
	0x205f, 0x205f, 0x3000, 0x3000,
}

func (e *emitter) set(s *set) {
	if r, ok := s.single(); ok {
		e.rune(r)
		return
	}
	if !s.neg && s.cats == 0 && len(s.ranges) == 0 || s.neg && s.cats == 0 && len(s.ranges) == 0 {
		e.constant(s.neg)
		return
	}
	negated := s.cats >= notDigit
	if negated || s.ascii && s.cats != 0 {
		flat := s.flat()
		if len(flat) == 0 {
			e.constant(false)
			return
		}
		s = &set{ranges: flat}
	}
	e.WriteByte('[')
	if s.neg {
		e.WriteByte('^')
	}
	e.ranges(s.ranges)
	if s.cats&digit != 0 {
		e.WriteString(`\p{Nd}`)
	}
	if s.cats&word != 0 {
		e.WriteString(`\p{L}\p{N}_`)
	}
	if s.cats&space != 0 {
		e.ranges(spaces)
	}
	e.WriteByte(']')
}

// constant writes a set that holds everything, or nothing.
func (e *emitter) constant(all bool) {
	switch {
	case all:
		e.WriteString(`(?s:.)`)
	case e.linear:
		e.WriteString(`[^\x{0}-\x{10ffff}]`)
	default:
		e.WriteString(`(?!)`)
	}
}

func (e *emitter) ranges(ranges []rune) {
	for i := 0; i < len(ranges); i += 2 {
		e.rune(ranges[i])
		if ranges[i+1] != ranges[i] {
			e.WriteByte('-')
			e.rune(ranges[i+1])
		}
	}
}

// rune writes one character so that neither engine sees anything special in it.
func (e *emitter) rune(r rune) {
	switch {
	case r < 128 && (unicode.IsLetter(r) || unicode.IsDigit(r)):
		e.WriteByte(byte(r))
	case e.linear:
		e.WriteString(`\x{` + strconv.FormatInt(int64(r), 16) + `}`)
	case r <= 0xffff:
		fmt.Fprintf(e, `\u%04x`, r)
	default:
		e.WriteRune(r)
	}
}
