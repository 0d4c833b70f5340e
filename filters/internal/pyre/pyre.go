// Package pyre matches Python's regular expressions as Python's re does, for policy files that were written for it.
//
// It is linked by the root helper and by its tools, and does no I/O. A pattern is parsed as Python 3.11 parses it and
// written out again for Go's regexp, whose time is linear in the text; one that needs references, look-arounds or the
// like goes to regexp2 under a time limit, and no answer within the limit is a refusal. What a letter is, and which case
// it has, is by the Unicode tables of Go (15.0; Python 3.11 has 14.0). Possessive repetitions of groups are right here and
// wrong in Python before 3.11.5 (gh-106052). Handing Python's text to either
// engine as it stands would not do: \d, \w, \s, $, {,2}, [[:alpha:]], letter case and bytes that are no UTF-8 all mean
// something else there.
//
//	p, err := pyre.Compile(`/dev/(?!.*/\.\.).*`, pyre.Whole)
//	p.Match("/dev/sda") // true
package pyre

import (
	"io"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// Anchor says how much of the text a pattern must match. The zero value is the strict one.
type Anchor uint8

const (
	// Whole demands that the pattern, taken as one group, match the whole text.
	Whole Anchor = iota
	// Rootwrap is re.match(pattern + "$", text): of foo|bar only bar is anchored, and a last newline passes.
	Rootwrap
)

// limit is how long regexp2 may look for an answer. Patterns of published policies need microseconds.
const limit = 100 * time.Millisecond

// A Pattern is a parsed pattern. It is safe for concurrent use; the engine that a pattern needs is built when it is
// first asked, because a policy holds many more patterns than a helper is ever asked about.
type Pattern struct {
	anchor  Anchor
	root    *node
	items   []*node // root without the places at its ends; nil where a match may end before the text
	exact   bool    // no last newline passes: Whole, or the author wrote \Z
	prefix  string  // of all that matches
	literal bool    // prefix is all that matches, but for a last newline

	build  sync.Once
	small  *positions
	linear *regexp.Regexp
	full   *regexp2.Regexp
	turn   sync.Mutex // one search of full at a time: it may take 30 MB for a long text, and keeps what it took
}

// Literal reports whether a pattern has nothing special in it: with Whole it matches itself, with Rootwrap itself and
// itself with a last newline.
func Literal(pattern string) bool {
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '\\', '.', '^', '$', '*', '+', '?', '{', '}', '[', ']', '|', '(', ')':
			return false
		}
	}
	return true
}

// Compile parses a pattern. The error says what Python's re would not accept; \N{name} and groups nested more than 200
// deep are refused though Python takes them.
func Compile(pattern string, anchor Anchor) (*Pattern, error) {
	if Literal(pattern) {
		return &Pattern{anchor: anchor, prefix: pattern, literal: true, exact: anchor == Whole}, nil
	}
	if anchor == Rootwrap {
		pattern += "$"
	}
	root, _, err := parse(pattern)
	if err != nil {
		return nil, err
	}
	items, exact, ok := bare(root, anchor)
	prefix, literal := leading(items)
	p := &Pattern{anchor: anchor, root: root, prefix: prefix, literal: literal && ok, exact: exact}
	if ok {
		p.items = items
	}
	return p, nil
}

// Match reports whether text matches. Bytes that are no UTF-8 are single characters that no other character equals, as
// Python's surrogateescape makes them.
func (p *Pattern) Match(text string) bool {
	if p.literal {
		return text == p.prefix || p.newline(text) && text[:len(text)-1] == p.prefix
	}
	p.build.Do(p.compile)
	switch {
	case p.small != nil:
		return p.small.match(text) || p.newline(text) && p.small.match(text[:len(text)-1])
	case p.linear != nil && utf8.ValidString(text):
		return p.linear.MatchString(text)
	case p.linear != nil:
		return p.linear.MatchReader(&escaped{text})
	case p.full != nil:
		p.turn.Lock()
		defer p.turn.Unlock()
		ok, err := p.full.MatchRunes(runes(text))
		return ok && err == nil // the only error is the time limit
	}
	return false
}

// newline says whether text has a last newline that $ lets pass.
func (p *Pattern) newline(text string) bool {
	return !p.exact && strings.HasSuffix(text, "\n")
}

// Prefix returns text that everything the pattern matches begins with, and whether nothing else can match.
func (p *Pattern) Prefix() (text string, literal bool) { return p.prefix, p.literal }

func (p *Pattern) compile() {
	if p.items != nil {
		p.small = newPositions(p.items)
	}
	if p.small == nil {
		p.engine()
	}
}

// engine builds the first engine that can say what the pattern does.
func (p *Pattern) engine() {
	if text, ok := emit(p.root, p.anchor == Whole, true); ok {
		if re, err := regexp.Compile(text); err == nil {
			p.linear = re
			return
		}
	}
	text, _ := emit(p.root, p.anchor == Whole, false)
	if re, err := regexp2.Compile(text, regexp2.None); err == nil {
		re.MatchTimeout = limit
		p.full = re
	}
}

// next returns the first character of text and its length in bytes. Byte 0xNN that is no UTF-8 is U+DCNN.
func next(text string) (rune, int) {
	r, n := utf8.DecodeRuneInString(text)
	if r == utf8.RuneError && n == 1 {
		r = 0xdc00 + rune(text[0])
	}
	return r, n
}

func runes(text string) []rune {
	out := make([]rune, 0, len(text))
	for text != "" {
		r, n := next(text)
		out = append(out, r)
		text = text[n:]
	}
	return out
}

// escaped reads a text for Go's regexp, which would take every byte that is no UTF-8 for U+FFFD.
type escaped struct{ text string }

func (e *escaped) ReadRune() (rune, int, error) {
	if e.text == "" {
		return 0, 0, io.EOF
	}
	r, n := next(e.text)
	e.text = e.text[n:]
	return r, n, nil
}
