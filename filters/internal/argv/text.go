package argv

import (
	"fmt"
	"strings"
)

// An argument is what one argument of the command may be.
type argument struct{ texts []text }

// A text is literal bytes and holes in turn.
type text []piece

// A piece is a literal and, if hole is not nil, what follows it.
type piece struct {
	literal string
	hole    hole
}

// check refuses a text of which nobody could say where a hole ends.
func (t text) check() error {
	for i, p := range t {
		switch {
		case p.hole == nil || i+1 == len(t):
		case t[i+1].literal == "":
			return fmt.Errorf("%s and %s stand side by side: write what divides them", p.hole, t[i+1].hole)
		case p.hole.holds(t[i+1].literal[0]):
			return fmt.Errorf("%s may itself hold the %q that ends it here: write it last", p.hole, t[i+1].literal[:1])
		}
	}
	return nil
}

// match compares the whole of arg.
func (a argument) match(arg string) bool {
	for _, t := range a.texts {
		if word, ok := t.word(); ok && word == arg || !ok && t.match(arg, 0, nil) {
			return true
		}
	}
	return false
}

// word returns the text if no hole is in it, as in most.
func (t text) word() (string, bool) { return t[0].literal, len(t) == 1 && t[0].hole == nil }

// uses adds the paths in arg, which is number n and fits.
func (a argument) uses(arg string, n int, uses []Use) []Use {
	for _, t := range a.texts {
		if more := uses; t.match(arg, n, &more) {
			return more
		}
	}
	return uses
}

// match compares the whole of arg, and adds the paths in it to uses, if that is not nil.
func (t text) match(arg string, n int, uses *[]Use) bool {
	at := 0
	for i := range t {
		p := &t[i]
		if !strings.HasPrefix(arg[at:], p.literal) {
			return false
		}
		at += len(p.literal)
		if p.hole == nil {
			continue
		}
		end := len(arg)
		if i+1 < len(t) {
			j := strings.IndexByte(arg[at:], t[i+1].literal[0])
			if j < 0 {
				return false
			}
			end = at + j
		}
		value := arg[at:end]
		if value == "" || at == 0 && value[0] == '-' || !p.hole.match(value) {
			return false
		}
		if uses != nil {
			if path, ok := p.hole.(pathHole); ok {
				*uses = append(*uses, Use{Arg: n, Offset: at, Dir: path.dir, Descriptor: path.descriptor})
			}
		}
		at = end
	}
	return at == len(arg)
}

// String writes what the argument may be, for a refusal.
func (a argument) String() string {
	var b strings.Builder
	for i, t := range a.texts {
		if i > 0 {
			b.WriteByte('|')
		}
		for _, p := range t {
			b.WriteString(p.literal)
			if p.hole != nil {
				b.WriteString(p.hole.String())
			}
		}
	}
	return b.String()
}
