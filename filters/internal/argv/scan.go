package argv

import (
	"fmt"
	"strings"
)

// A scanner reads the grammar of the package comment from left to right, and writes down the steps as it goes.
type scanner struct {
	text  string
	pos   int
	kept  int // after the last byte that means something
	depth int

	outer  []string
	prog   []step
	texts  []text  // of all arguments
	pieces []piece // of all texts
	paths  bool
}

// newScanner takes at once the memory that text can need: a policy may have thousands of patterns.
func newScanner(pattern string) *scanner {
	texts := 1 + strings.Count(pattern, ",") + strings.Count(pattern, "|")
	return &scanner{
		text: pattern, outer: make([]string, 0, 1+strings.Count(pattern, ",")), texts: make([]text, 0, texts),
		pieces: make([]piece, 0, texts+strings.Count(pattern, "<")),
		prog:   make([]step, 0, 1+texts+strings.Count(pattern, "[")+strings.Count(pattern, "*")),
	}
}

// maxDepth bounds groups within groups.
const maxDepth = 16

const (
	space       = " \t\r\n"
	punctuation = ",<>[]|*\\"
)

// sequence reads elements up to the end of the text, or of the group. needed says that one of them may not be left out.
func (s *scanner) sequence(inGroup bool) (needed bool, err error) {
	s.blanks()
	if s.end() && !inGroup {
		return false, nil // no arguments at all
	}
	for {
		s.blanks()
		from := s.pos
		optional, err := s.element()
		if err != nil {
			return false, err
		}
		needed = needed || !optional
		if s.depth == 0 {
			s.outer = append(s.outer, s.text[from:s.kept])
		}
		s.blanks()
		switch {
		case s.take(','):
		case inGroup && s.take(']'):
			return needed, nil
		case inGroup && s.end():
			return false, fmt.Errorf("a group is not closed: write ] at its end")
		case s.end():
			return needed, nil
		default:
			return false, fmt.Errorf("%q cannot stand here: write a comma before it, or a backslash to mean it", s.text[s.pos:s.pos+1])
		}
	}
}

// element reads an argument, or a group, which may be left out.
func (s *scanner) element() (optional bool, err error) {
	begin := len(s.prog)
	if !s.take('[') {
		arg, err := s.argument()
		if err != nil {
			return false, err
		}
		s.prog = append(s.prog, step{op: opArgument, arg: arg})
		if s.take('*') {
			s.prog = append(s.prog, step{op: opFork, next: begin, other: begin + 2})
		}
		return false, nil
	}
	if s.depth++; s.depth > maxDepth {
		return true, fmt.Errorf("groups lie more than %d deep", maxDepth)
	}
	s.prog = append(s.prog, step{op: opFork, next: begin + 1})
	needed, err := s.sequence(true)
	s.depth--
	if err != nil {
		return true, err
	}
	if s.take('*') {
		if !needed {
			return true, fmt.Errorf("a group that repeats may be empty: take the [ ] off one of its elements")
		}
		s.prog = append(s.prog, step{op: opFork, next: begin + 1, other: len(s.prog) + 1})
	}
	s.prog[begin].other = len(s.prog)
	return true, nil
}

// argument reads alternatives.
func (s *scanner) argument() (argument, error) {
	begin := len(s.texts)
	for {
		t, err := s.alternative()
		if err != nil {
			return argument{}, err
		}
		s.texts = append(s.texts, t)
		if !s.take('|') {
			return argument{s.texts[begin:len(s.texts):len(s.texts)]}, nil
		}
	}
}

// alternative reads literal pieces and holes up to what ends them.
func (s *scanner) alternative() (text, error) {
	begin, first := s.pos, len(s.pieces)
	from, kept := begin, begin // of the literal; what follows kept is blank, and means nothing if nothing comes after it
	for !s.end() {
		c := s.text[s.pos]
		if c == '<' {
			literal := unescape(s.text[from:s.pos])
			h, err := s.hole()
			if err != nil {
				return nil, err
			}
			_, path := h.(pathHole)
			s.paths = s.paths || path
			s.pieces = append(s.pieces, piece{literal: literal, hole: h})
			from, kept, s.kept = s.pos, s.pos, s.pos
			continue
		}
		if c == '\\' {
			if s.pos+1 == len(s.text) || strings.IndexByte(punctuation+space, s.text[s.pos+1]) < 0 {
				return nil, fmt.Errorf(`a backslash makes one of , < > [ ] | * \ or a blank ordinary, and stands before none: write \\ for itself`)
			}
			s.pos++
		} else if strings.IndexByte(punctuation, c) >= 0 {
			break
		}
		s.pos++
		if strings.IndexByte(space, c) < 0 {
			kept, s.kept = s.pos, s.pos
		}
	}
	if from < kept {
		s.pieces = append(s.pieces, piece{literal: unescape(s.text[from:kept])})
	}
	t := text(s.pieces[first:len(s.pieces):len(s.pieces)])
	if len(t) == 0 {
		if !s.end() && s.text[s.pos] == '*' {
			return nil, fmt.Errorf(`nothing stands before "*" that could repeat: write \* for an argument of its own`)
		}
		return nil, fmt.Errorf("an argument is empty, near %q: write a pattern between the commas", s.near(begin))
	}
	return t, t.check()
}

// unescape takes the backslashes off a literal, of which each has a byte behind it.
func unescape(literal string) string {
	if strings.IndexByte(literal, '\\') < 0 {
		return literal
	}
	var b strings.Builder
	for i := 0; i < len(literal); i++ {
		if literal[i] == '\\' {
			i++
		}
		b.WriteByte(literal[i])
	}
	return b.String()
}

// hole reads <kind:parameter>. In the parameter a backslash before > means > itself.
func (s *scanner) hole() (hole, error) {
	from := s.pos
	for s.pos++; !s.end(); s.pos++ {
		switch c := s.text[s.pos]; {
		case c == '>':
			body := s.text[from+1 : s.pos]
			s.pos++
			return newHole(strings.ReplaceAll(body, `\>`, ">"))
		case c == '\\' && s.pos+1 < len(s.text):
			s.pos++
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
