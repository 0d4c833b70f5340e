package pyre

import (
	"errors"
	"fmt"
	"strings"
)

// flags are Python's, as letters; L cannot be used with text and the debugging ones cannot be written in a pattern.
type flags uint8

const (
	flagI flags = 1 << iota
	flagM
	flagS
	flagX
	flagA
	flagU
	flagT
)

var flagOf = map[rune]flags{'i': flagI, 'm': flagM, 's': flagS, 'x': flagX, 'a': flagA, 'u': flagU, 't': flagT}

// maxDepth bounds the nesting of groups, so that a pattern cannot exhaust the stack.
const maxDepth = 200

// A group is what the parser must know about a capturing group: nothing can refer to an open one.
type group struct {
	open   bool
	lo, hi int
}

// A parser reads Python's pattern syntax (re/_parser.py of 3.11): what it refuses Python refuses, and each node means
// what Python means by it.
type parser struct {
	src    []rune
	pos    int
	global flags
	groups []group // index 0 is the whole match
	names  map[string]int
	behind int // groups known when the outermost look-behind began; 0 outside of one
	conds  []int
	depth  int
}

func parse(pattern string) (*node, []group, error) {
	p := &parser{src: []rune(pattern), groups: make([]group, 1)}
	p.groups[0].open = true
	root, err := p.alternatives(0, true)
	if err != nil {
		return nil, nil, err
	}
	if p.pos < len(p.src) {
		return nil, nil, errors.New("unbalanced parenthesis")
	}
	for _, g := range p.conds {
		if g >= len(p.groups) {
			return nil, nil, fmt.Errorf("invalid group reference %d", g)
		}
	}
	if p.global&flagA != 0 && p.global&flagU != 0 {
		return nil, nil, errors.New("ASCII and UNICODE flags are incompatible")
	}
	return root, p.groups, nil
}

func (p *parser) peek() (rune, bool) {
	if p.pos < len(p.src) {
		return p.src[p.pos], true
	}
	return 0, false
}

func (p *parser) next() (rune, bool) {
	r, ok := p.peek()
	if ok {
		p.pos++
	}
	return r, ok
}

func (p *parser) take(r rune) bool {
	if c, ok := p.peek(); ok && c == r {
		p.pos++
		return true
	}
	return false
}

// alternatives parses a|b|c up to a closing parenthesis or the end. top says that no parenthesis is open.
func (p *parser) alternatives(f flags, top bool) (*node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("groups are nested more than %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	var subs []*node
	for {
		if top {
			f = p.global
		}
		sub, err := p.sequence(f, top && len(subs) == 0)
		if err != nil {
			return nil, err
		}
		subs = append(subs, sub)
		if !p.take('|') {
			break
		}
	}
	if len(subs) == 1 {
		return subs[0], nil
	}
	return &node{op: opAlt, subs: subs}, nil
}

// sequence parses items up to a bar, a closing parenthesis or the end. first says that global flags may still come.
func (p *parser) sequence(f flags, first bool) (*node, error) {
	var items []*node
	for {
		c, ok := p.peek()
		if !ok || c == '|' || c == ')' {
			break
		}
		p.pos++
		if f&flagX != 0 {
			if strings.ContainsRune(" \t\n\r\v\f", c) {
				continue
			}
			if c == '#' {
				if err := p.lineComment(); err != nil {
					return nil, err
				}
				continue
			}
		}
		var item *node
		var err error
		switch c {
		case '\\':
			item, err = p.escape(f)
		case '[':
			item, err = p.class(f)
		case '*', '+', '?', '{':
			lo, hi, isRepeat, rerr := p.bounds(c)
			switch {
			case rerr != nil:
				err = rerr
			case !isRepeat:
				item = literal('{', f)
			default:
				err = p.repeat(items, lo, hi)
				if err == nil {
					continue
				}
			}
		case '.':
			s := set{neg: true, ranges: []rune{'\n', '\n'}}
			if f&flagS != 0 {
				s.ranges = nil
			}
			item = &node{op: opSet, set: newSet(s, false)}
		case '(':
			var global bool
			item, global, err = p.parenthesis(f, first && len(items) == 0)
			if global {
				f = p.global
			}
			if item == nil && err == nil {
				continue
			}
		case '^':
			item = &node{op: opAt, at: atStart}
			if f&flagM != 0 {
				item.at = atLineStart
			}
		case '$':
			item = &node{op: opAt, at: atEnd}
			if f&flagM != 0 {
				item.at = atLineEnd
			}
		default:
			item = literal(c, f)
		}
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	if len(items) == 1 {
		return items[0], nil
	}
	return &node{op: opCat, subs: items}, nil
}

func (p *parser) lineComment() error {
	for {
		c, ok := p.next()
		if !ok || c == '\n' {
			return nil
		}
		if c == '\\' {
			if _, ok := p.next(); !ok {
				return errors.New("bad escape (end of pattern)")
			}
		}
	}
}

func literal(r rune, f flags) *node {
	return &node{op: opSet, set: newSet(set{ranges: []rune{r, r}, ascii: f&flagA != 0}, f&flagI != 0)}
}

// bounds reads a quantifier whose first character is read; a { that begins none is a literal.
func (p *parser) bounds(c rune) (lo, hi int, isRepeat bool, err error) {
	switch c {
	case '?':
		return 0, 1, true, nil
	case '*':
		return 0, endless, true, nil
	case '+':
		return 1, endless, true, nil
	}
	if next, ok := p.peek(); ok && next == '}' {
		return 0, 0, false, nil
	}
	here := p.pos
	first := p.digits()
	last := first
	if p.take(',') {
		last = p.digits()
	}
	if !p.take('}') {
		p.pos = here
		return 0, 0, false, nil
	}
	lo, hi = 0, endless
	if first != "" {
		if lo, err = count(first); err != nil {
			return 0, 0, false, err
		}
	}
	if last != "" {
		if hi, err = count(last); err != nil {
			return 0, 0, false, err
		}
		if hi < lo {
			return 0, 0, false, errors.New("min repeat greater than max repeat")
		}
	}
	return lo, hi, true, nil
}

func (p *parser) digits() string {
	start := p.pos
	for p.pos < len(p.src) && '0' <= p.src[p.pos] && p.src[p.pos] <= '9' {
		p.pos++
	}
	return string(p.src[start:p.pos])
}

func count(digits string) (int, error) {
	n := 0
	for _, d := range digits {
		if n = n*10 + int(d-'0'); n >= endless/10 {
			return 0, errors.New("the repetition number is too large")
		}
	}
	return n, nil
}

func (p *parser) repeat(items []*node, lo, hi int) error {
	if len(items) == 0 || items[len(items)-1].op == opAt {
		return errors.New("nothing to repeat")
	}
	last := items[len(items)-1]
	if last.op == opRepeat {
		return errors.New("multiple repeat")
	}
	kind := greedy
	if p.take('?') {
		kind = lazy
	} else if p.take('+') {
		kind = possessive
	}
	items[len(items)-1] = &node{op: opRepeat, subs: []*node{last}, min: lo, max: hi, kind: kind}
	return nil
}

// parenthesis parses what follows "(". It returns no item for a comment and for flags.
func (p *parser) parenthesis(f flags, first bool) (item *node, global bool, err error) {
	name := ""
	if p.take('?') {
		c, ok := p.next()
		if !ok {
			return nil, false, errors.New("unexpected end of pattern")
		}
		switch {
		case c == 'P':
			if p.take('=') {
				item, err = p.namedReference(f)
				return item, false, err
			}
			if !p.take('<') {
				return nil, false, errors.New("unknown extension ?P")
			}
			if name, err = p.name('>'); err != nil {
				return nil, false, err
			}
		case c == ':':
			item, err = p.closed(f)
			return wrapped(item), false, err
		case c == '>':
			item, err = p.closed(f)
			return &node{op: opAtomic, subs: []*node{item}}, false, err
		case c == '#':
			return nil, false, p.comment()
		case c == '=' || c == '!' || c == '<':
			item, err = p.look(f, c)
			return item, false, err
		case c == '(':
			item, err = p.conditional(f)
			return item, false, err
		case c == '-' || flagOf[c] != 0 || c == 'L':
			return p.inlineFlags(f, c, first)
		default:
			return nil, false, fmt.Errorf("unknown extension ?%c", c)
		}
	}
	n := len(p.groups)
	p.groups = append(p.groups, group{open: true})
	if name != "" {
		if _, ok := p.names[name]; ok {
			return nil, false, fmt.Errorf("redefinition of group name %q", name)
		}
		if p.names == nil {
			p.names = make(map[string]int)
		}
		p.names[name] = n
	}
	if item, err = p.closed(f); err != nil {
		return nil, false, err
	}
	lo, hi := item.width(p.groups)
	p.groups[n] = group{lo: lo, hi: hi}
	return &node{op: opGroup, subs: []*node{item}, group: n}, false, nil
}

// wrapped keeps a group that does not capture apart from its surroundings: (?:a*)* repeats a repetition, a** is an
// error, and (?:^)* is none either.
func wrapped(n *node) *node {
	if n == nil || n.op == opCat || n.op == opAlt {
		return n
	}
	return &node{op: opCat, subs: []*node{n}}
}

// closed parses alternatives and the parenthesis that ends them.
func (p *parser) closed(f flags) (*node, error) {
	n, err := p.alternatives(f, false)
	if err != nil {
		return nil, err
	}
	if !p.take(')') {
		return nil, errors.New("missing ), unterminated subpattern")
	}
	return n, nil
}

func (p *parser) comment() error {
	for {
		c, ok := p.next()
		if !ok {
			return errors.New("missing ), unterminated comment")
		}
		if c == '\\' {
			p.pos++
		}
		if c == ')' {
			return nil
		}
	}
}
