package argv

import (
	"fmt"
	"slices"
	"strings"
)

// An element is a piece of a sequence: an argument, or a group of them.
type element struct {
	arg      argument // where group is nil
	group    []element
	optional bool
	repeat   bool
}

// A scanner reads the grammar of the package comment from left to right.
type scanner struct {
	text  string
	pos   int
	kept  int // after the last byte that means something
	outer []string
	depth int
}

// maxDepth bounds groups within groups.
const maxDepth = 16

const (
	space       = " \t\r\n"
	punctuation = ",<>[]|*\\"
)

// sequence reads elements up to the end of the text, or of the group.
func (s *scanner) sequence(inGroup bool) ([]element, error) {
	var seq []element
	s.blanks()
	if s.end() && !inGroup {
		return nil, nil // no arguments at all
	}
	for {
		s.blanks()
		from := s.pos
		e, err := s.element()
		if err != nil {
			return nil, err
		}
		if s.depth == 0 {
			s.outer = append(s.outer, s.text[from:s.kept])
		}
		seq = append(seq, e)
		s.blanks()
		switch {
		case s.take(','):
		case inGroup && s.take(']'):
			return seq, nil
		case inGroup && s.end():
			return nil, fmt.Errorf("a group is not closed: write ] at its end")
		case s.end():
			return seq, nil
		default:
			return nil, fmt.Errorf("%q cannot stand here: write a comma before it, or a backslash to mean it", s.text[s.pos:s.pos+1])
		}
	}
}

func (s *scanner) element() (element, error) {
	if !s.take('[') {
		arg, err := s.argument()
		return element{arg: arg, repeat: err == nil && s.take('*')}, err
	}
	if s.depth++; s.depth > maxDepth {
		return element{}, fmt.Errorf("groups lie more than %d deep", maxDepth)
	}
	group, err := s.sequence(true)
	s.depth--
	if err != nil {
		return element{}, err
	}
	e := element{group: group, optional: true, repeat: s.take('*')}
	if e.repeat && !slices.ContainsFunc(group, func(e element) bool { return !e.optional }) {
		return e, fmt.Errorf("a group that repeats may be empty: take the [ ] off one of its elements")
	}
	return e, nil
}

// argument reads alternatives.
func (s *scanner) argument() (argument, error) {
	var a argument
	for {
		t, err := s.alternative()
		if err != nil {
			return a, err
		}
		a.texts = append(a.texts, t)
		if !s.take('|') {
			return a, nil
		}
	}
}

// alternative reads literal pieces and holes up to what ends them.
func (s *scanner) alternative() (text, error) {
	from := s.pos
	var t text
	var lit []byte
	kept := 0 // lit up to here does not end in a blank that means nothing
	for !s.end() {
		c := s.text[s.pos]
		if c == '\\' {
			if s.pos+1 == len(s.text) || !strings.ContainsRune(punctuation+space, rune(s.text[s.pos+1])) {
				return t, fmt.Errorf(`a backslash makes one of , < > [ ] | * \ or a blank ordinary, and stands before none: write \\ for itself`)
			}
			lit = append(lit, s.text[s.pos+1])
			s.pos += 2
			kept, s.kept = len(lit), s.pos
			continue
		}
		if c == '<' {
			h, err := s.hole()
			if err != nil {
				return t, err
			}
			t = append(t, piece{literal: string(lit), hole: h})
			lit, kept, s.kept = nil, 0, s.pos
			continue
		}
		if strings.IndexByte(punctuation, c) >= 0 {
			break
		}
		lit = append(lit, c)
		s.pos++
		if strings.IndexByte(space, c) < 0 {
			kept, s.kept = len(lit), s.pos
		}
	}
	if lit = lit[:kept]; len(lit) > 0 {
		t = append(t, piece{literal: string(lit)})
	}
	if len(t) == 0 {
		if !s.end() && s.text[s.pos] == '*' {
			return t, fmt.Errorf(`nothing stands before "*" that could repeat: write \* for an argument of its own`)
		}
		return t, fmt.Errorf("an argument is empty, near %q: write a pattern between the commas", s.near(from))
	}
	return t, t.check()
}

// hole reads <kind:parameter>. In the parameter a backslash before > means > itself.
func (s *scanner) hole() (hole, error) {
	from := s.pos
	var body []byte
	for s.pos++; !s.end(); s.pos++ {
		switch c := s.text[s.pos]; {
		case c == '>':
			s.pos++
			return newHole(string(body))
		case c == '\\' && s.pos+1 < len(s.text) && s.text[s.pos+1] == '>':
			s.pos++
			body = append(body, '>')
		case c == '\\' && s.pos+1 < len(s.text):
			body = append(body, c, s.text[s.pos+1])
			s.pos++
		default:
			body = append(body, c)
		}
	}
	return nil, fmt.Errorf("%q is not closed: write > at its end", s.text[from:])
}

func (s *scanner) end() bool { return s.pos == len(s.text) }

func (s *scanner) blanks() {
	for !s.end() && strings.IndexByte(space, s.text[s.pos]) >= 0 {
		s.pos++
	}
}

func (s *scanner) take(c byte) bool {
	if s.end() || s.text[s.pos] != c {
		return false
	}
	s.pos++
	s.kept = s.pos
	return true
}

// near is a little of the text around a place, for a message.
func (s *scanner) near(at int) string {
	return s.text[max(0, at-10):min(len(s.text), at+10)]
}
