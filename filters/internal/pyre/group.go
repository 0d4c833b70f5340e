package pyre

import (
	"errors"
	"fmt"
	"unicode"
)

// inlineFlags parses (?flags), which holds for the whole pattern and must begin it, and (?flags-flags:…).
func (p *parser) inlineFlags(f flags, c rune, first bool) (item *node, global bool, err error) {
	var add, del flags
	ok := true
	for c != '-' && c != ':' && c != ')' {
		bit := flagOf[c]
		if bit == 0 {
			return nil, false, fmt.Errorf("unknown flag %q", c)
		}
		add |= bit
		if add&flagA != 0 && add&flagU != 0 {
			return nil, false, errors.New("bad inline flags: flags 'a' and 'u' are incompatible")
		}
		if c, ok = p.next(); !ok {
			return nil, false, errors.New("missing -, : or )")
		}
	}
	if c == ')' {
		if !first {
			return nil, false, errors.New("global flags not at the start of the expression")
		}
		p.global |= add
		return nil, true, nil
	}
	if add&flagT != 0 {
		return nil, false, errors.New("bad inline flags: cannot turn on global flag")
	}
	if c == '-' {
		if del, err = p.deletedFlags(); err != nil {
			return nil, false, err
		}
	}
	if add&del != 0 {
		return nil, false, errors.New("bad inline flags: flag turned on and off")
	}
	if add&(flagA|flagU) != 0 {
		f &^= flagA | flagU
	}
	item, err = p.closed((f | add) &^ del)
	return wrapped(item), false, err
}

func (p *parser) deletedFlags() (flags, error) {
	var del flags
	for {
		c, ok := p.next()
		if !ok {
			return 0, errors.New("missing flag")
		}
		if c == ':' && del != 0 {
			return del, nil
		}
		bit := flagOf[c]
		switch {
		case bit == 0:
			return 0, fmt.Errorf("unknown flag %q", c)
		case bit&(flagA|flagU|flagT) != 0:
			return 0, fmt.Errorf("bad inline flags: cannot turn off flag %q", c)
		}
		del |= bit
	}
}

// look parses (?=…), (?!…), (?<=…) and (?<!…).
func (p *parser) look(f flags, c rune) (*node, error) {
	n := &node{op: opLook}
	outer := p.behind
	if c == '<' {
		n.behind = true
		var ok bool
		if c, ok = p.next(); !ok {
			return nil, errors.New("unexpected end of pattern")
		}
		if c != '=' && c != '!' {
			return nil, fmt.Errorf("unknown extension ?<%c", c)
		}
		if outer == 0 {
			p.behind = len(p.groups)
		}
	}
	n.neg = c == '!'
	sub, err := p.closed(f)
	if err != nil {
		return nil, err
	}
	p.behind = outer
	if n.behind {
		if lo, hi := sub.width(p.groups); lo != hi {
			return nil, errors.New("look-behind requires fixed-width pattern")
		}
	}
	n.subs = []*node{sub}
	return n, nil
}

// conditional parses (?(group)yes|no).
func (p *parser) conditional(f flags) (*node, error) {
	start := p.pos
	for p.pos < len(p.src) && p.src[p.pos] != ')' {
		p.pos++
	}
	if p.pos == len(p.src) {
		return nil, errors.New("missing ), unterminated name")
	}
	name := string(p.src[start:p.pos])
	p.pos++
	g, named := p.names[name]
	if !named {
		if identifier(name) {
			return nil, fmt.Errorf("unknown group name %q", name)
		}
		for _, d := range name {
			if d < '0' || d > '9' || g > endless/20 {
				return nil, fmt.Errorf("bad character in group name %q", name)
			}
			g = g*10 + int(d-'0')
		}
		if g == 0 {
			return nil, errors.New("bad group number")
		}
		p.conds = append(p.conds, g)
	}
	if err := p.inLookBehind(g); err != nil {
		return nil, err
	}
	yes, err := p.sequence(f, false)
	if err != nil {
		return nil, err
	}
	n := &node{op: opCond, group: g, subs: []*node{yes}}
	if p.take('|') {
		no, err := p.sequence(f, false)
		if err != nil {
			return nil, err
		}
		n.subs = append(n.subs, no)
	}
	if !p.take(')') {
		return nil, errors.New("missing ), or a conditional with more than two branches")
	}
	return n, nil
}

func (p *parser) namedReference(f flags) (*node, error) {
	name, err := p.name(')')
	if err != nil {
		return nil, err
	}
	g, ok := p.names[name]
	if !ok {
		return nil, fmt.Errorf("unknown group name %q", name)
	}
	return p.reference(g, f)
}

// reference makes a node for what group g matched.
func (p *parser) reference(g int, f flags) (*node, error) {
	if g >= len(p.groups) {
		return nil, fmt.Errorf("invalid group reference %d", g)
	}
	if p.groups[g].open {
		return nil, errors.New("cannot refer to an open group")
	}
	if err := p.inLookBehind(g); err != nil {
		return nil, err
	}
	return &node{op: opRef, group: g, fold: f&flagI != 0}, nil
}

func (p *parser) inLookBehind(g int) error {
	if p.behind == 0 {
		return nil
	}
	if g >= len(p.groups) || p.groups[g].open {
		return errors.New("cannot refer to an open group")
	}
	if g >= p.behind {
		return errors.New("cannot refer to group defined in the same lookbehind subpattern")
	}
	return nil
}

// name reads a group's name up to end.
func (p *parser) name(end rune) (string, error) {
	start := p.pos
	for p.pos < len(p.src) && p.src[p.pos] != end {
		p.pos++
	}
	if p.pos == len(p.src) {
		return "", fmt.Errorf("missing %c, unterminated name", end)
	}
	name := string(p.src[start:p.pos])
	p.pos++
	if name == "" {
		return "", errors.New("missing group name")
	}
	if !identifier(name) {
		return "", fmt.Errorf("bad character in group name %q", name)
	}
	return name, nil
}

func identifier(s string) bool {
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r) && !unicode.Is(unicode.M, r)) {
			return false
		}
	}
	return s != ""
}
