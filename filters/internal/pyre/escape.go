package pyre

import (
	"errors"
	"fmt"
	"unicode"
)

var simpleEscapes = map[rune]rune{'a': '\a', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v', '\\': '\\'}

var categoryEscapes = map[rune]category{
	'd': digit, 'D': notDigit, 'w': word, 'W': notWord, 's': space, 'S': notSpace,
}

var placeEscapes = map[rune]place{'A': atStart, 'Z': atVeryEnd, 'b': atBoundary, 'B': atNoBoundary}

// escape parses what follows a backslash outside of brackets.
func (p *parser) escape(f flags) (*node, error) {
	c, ok := p.next()
	if !ok {
		return nil, errors.New("bad escape (end of pattern)")
	}
	ascii := f&flagA != 0
	if at, ok := placeEscapes[c]; ok {
		return &node{op: opAt, at: at, ascii: ascii}, nil
	}
	if cat, ok := categoryEscapes[c]; ok {
		return &node{op: opSet, set: newSet(set{cats: cat, ascii: ascii}, false)}, nil
	}
	if '1' <= c && c <= '9' {
		return p.digitEscape(c, f)
	}
	r, err := p.rune(c)
	if err != nil {
		return nil, err
	}
	return literal(r, f), nil
}

// digitEscape parses \1 to \99, a reference, or three octal digits, a character.
func (p *parser) digitEscape(c rune, f flags) (*node, error) {
	g := int(c - '0')
	if d, ok := p.peek(); ok && '0' <= d && d <= '9' {
		p.pos++
		if e, ok := p.peek(); ok && octal(c) && octal(d) && octal(e) {
			p.pos++
			r := (c-'0')<<6 | (d-'0')<<3 | (e - '0')
			if r > 0o377 {
				return nil, fmt.Errorf("octal escape value \\%c%c%c outside of range 0-0o377", c, d, e)
			}
			return literal(r, f), nil
		}
		g = g*10 + int(d-'0')
	}
	return p.reference(g, f)
}

func octal(r rune) bool { return '0' <= r && r <= '7' }

// rune parses an escape that stands for one character, inside brackets or outside; c is read already. \N{name} is refused:
// a table of Unicode's names is not worth its size to a root helper.
func (p *parser) rune(c rune) (rune, error) {
	if r, ok := simpleEscapes[c]; ok {
		return r, nil
	}
	switch {
	case c == 'x':
		return p.hex(2)
	case c == 'u':
		return p.hex(4)
	case c == 'U':
		return p.hex(8)
	case octal(c):
		r := c - '0'
		for range 2 {
			d, ok := p.peek()
			if !ok || !octal(d) {
				break
			}
			p.pos++
			r = r<<3 | (d - '0')
		}
		if r > 0o377 {
			return 0, fmt.Errorf("octal escape value \\%o outside of range 0-0o377", r)
		}
		return r, nil
	case c < 128 && (unicode.IsLetter(c) || unicode.IsDigit(c)):
		return 0, fmt.Errorf("bad escape \\%c", c)
	}
	return c, nil
}

func (p *parser) hex(n int) (rune, error) {
	var r uint32
	for range n {
		c, _ := p.next()
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | uint32(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | uint32(c-'a'+10)
		case 'A' <= c && c <= 'F':
			r = r<<4 | uint32(c-'A'+10)
		default:
			return 0, errors.New("incomplete escape")
		}
	}
	if r > unicode.MaxRune {
		return 0, errors.New("bad escape: no such character")
	}
	return rune(r), nil
}

// class parses a set in brackets whose [ is read. Python knows neither [:alpha:] nor operators between sets.
func (p *parser) class(f flags) (*node, error) {
	s := set{ascii: f&flagA != 0, neg: p.take('^')}
	for empty := true; ; empty = false {
		c, ok := p.next()
		if !ok {
			return nil, errors.New("unterminated character set")
		}
		if c == ']' && !empty {
			break
		}
		lo, cat, err := p.classItem(c)
		if err != nil {
			return nil, err
		}
		hi := lo
		if p.take('-') {
			c, ok := p.next()
			if !ok {
				return nil, errors.New("unterminated character set")
			}
			if c == ']' {
				s.add(lo, lo, cat)
				s.add('-', '-', 0)
				break
			}
			last, lastCat, err := p.classItem(c)
			if err != nil {
				return nil, err
			}
			if cat != 0 || lastCat != 0 || last < lo {
				return nil, errors.New("bad character range")
			}
			hi = last
		}
		s.add(lo, hi, cat)
	}
	return &node{op: opSet, set: newSet(s, f&flagI != 0)}, nil
}

func (s *set) add(lo, hi rune, cat category) {
	if cat != 0 {
		s.cats |= cat
		return
	}
	s.ranges = append(s.ranges, lo, hi)
}

func (p *parser) classItem(c rune) (rune, category, error) {
	if c != '\\' {
		return c, 0, nil
	}
	c, ok := p.next()
	if !ok {
		return 0, 0, errors.New("bad escape (end of pattern)")
	}
	if cat, ok := categoryEscapes[c]; ok {
		return 0, cat, nil
	}
	if c == 'b' {
		return '\b', 0, nil
	}
	r, err := p.rune(c)
	return r, 0, err
}
