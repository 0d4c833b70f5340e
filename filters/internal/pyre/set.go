package pyre

import (
	"slices"
	"sort"
	"unicode"
)

// A category is one of Python's escapes that stand for many characters.
type category uint8

const (
	digit category = 1 << iota
	word
	space
	notDigit
	notWord
	notSpace
)

// A set is a set of characters: one literal, a dot, an escape, or a class in brackets.
type set struct {
	neg    bool
	ascii  bool   // categories count ASCII alone
	ranges []rune // pairs, first and last
	cats   category
	low    [2]uint64 // the verdict for each character below 128
}

// newSet completes a set; fold says that letter case is ignored.
func newSet(s set, fold bool) *set {
	if fold {
		s.ranges = folded(s.ranges, s.ascii)
	}
	for r := rune(0); r < 128; r++ {
		if s.slow(r) {
			s.low[r>>6] |= 1 << (r & 63)
		}
	}
	return &s
}

// contains reports whether r belongs to s.
func (s *set) contains(r rune) bool {
	if r < 128 {
		return s.low[r>>6]&(1<<(r&63)) != 0
	}
	return s.slow(r)
}

func (s *set) slow(r rune) bool {
	for i := 0; i < len(s.ranges); i += 2 {
		if s.ranges[i] <= r && r <= s.ranges[i+1] {
			return !s.neg
		}
	}
	for c := digit; c <= notSpace; c <<= 1 {
		if s.cats&c != 0 && inCategory(r, c, s.ascii) {
			return !s.neg
		}
	}
	return s.neg
}

// single returns the only character of s.
func (s *set) single() (rune, bool) {
	if s.neg || s.cats != 0 || len(s.ranges) != 2 || s.ranges[0] != s.ranges[1] {
		return 0, false
	}
	return s.ranges[0], true
}

// inCategory follows Python's str methods: \d is isdecimal, \w is isalnum or the underscore, \s is isspace. The last
// differs from Go's unicode.IsSpace by the four separators from U+001C.
func inCategory(r rune, c category, ascii bool) bool {
	if ascii && r >= 128 {
		return c >= notDigit
	}
	switch c {
	case digit, notDigit:
		return unicode.Is(unicode.Nd, r) == (c == digit)
	case word, notWord:
		return (r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r)) == (c == word)
	default:
		// With the ASCII flag, \s is [ \t\n\r\f\v] and no more.
		separator := 0x1c <= r && r <= 0x1f && !ascii
		return (separator || unicode.IsSpace(r)) == (c == space)
	}
}

// extraFolds are the characters that Python takes for one another when case is ignored though no simple mapping of
// Unicode joins them: they share an upper case (Python's Lib/re/_casefix.py).
var extraFolds = map[rune]rune{
	'i': 0x131, 0x131: 'i', 0x390: 0x1fd3, 0x1fd3: 0x390, 0x3b0: 0x1fe3, 0x1fe3: 0x3b0, 0xfb05: 0xfb06, 0xfb06: 0xfb05,
}

// folded adds to ranges every character that Python's IGNORECASE takes for one of them: those whose lower case is the
// lower case of one of them, or shares its upper case.
func folded(ranges []rune, ascii bool) []rune {
	seen := make(map[rune]bool)
	add := func(r rune) { seen[r] = true }
	for i := 0; i < len(ranges); i += 2 {
		for r := ranges[i]; r <= ranges[i+1]; r++ {
			if ascii {
				if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
					add(r ^ 0x20)
				}
				continue
			}
			addFolds(r, add)
			if extra, ok := extraFolds[unicode.ToLower(r)]; ok {
				add(extra)
				addFolds(extra, add)
			}
		}
	}
	extra := make([]rune, 0, len(seen))
	for r := range seen {
		extra = append(extra, r)
	}
	slices.Sort(extra)
	out := slices.Clone(ranges)
	for i := 0; i < len(extra); i++ {
		first := extra[i]
		for i+1 < len(extra) && extra[i+1] == extra[i]+1 {
			i++
		}
		out = append(out, first, extra[i])
	}
	return out
}

func addFolds(r rune, add func(rune)) {
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		add(f)
	}
	if unicode.ToLower(r) == 'i' { // U+0130 folds to nothing, yet its simple lower case is i
		add(0x130)
		add('i')
		add('I')
	}
}

// flat returns the ranges of what s contains, without negation and escapes: for the rare class that mixes a negated
// escape with others, which neither engine can write.
func (s *set) flat() []rune {
	all := slices.Clone(s.ranges)
	for c := digit; c <= notSpace; c <<= 1 {
		if s.cats&c != 0 {
			all = append(all, categoryRanges(c, s.ascii)...)
		}
	}
	all = merged(all)
	if s.neg {
		all = complement(all)
	}
	return all
}

// categoryRanges returns what inCategory tells for every character.
func categoryRanges(c category, ascii bool) []rune {
	var tables []*unicode.RangeTable
	positive := c
	switch c {
	case digit, notDigit:
		positive, tables = digit, []*unicode.RangeTable{unicode.Nd}
	case word, notWord:
		positive, tables = word, []*unicode.RangeTable{unicode.L, unicode.N}
	default:
		positive, tables = space, []*unicode.RangeTable{unicode.White_Space}
	}
	var out []rune
	for r := rune(0); r < 128; r++ {
		if inCategory(r, positive, ascii) {
			out = append(out, r, r)
		}
	}
	if !ascii {
		for _, t := range tables {
			for _, r := range t.R16 {
				out = appendRange(out, rune(r.Lo), rune(r.Hi), rune(r.Stride))
			}
			for _, r := range t.R32 {
				out = appendRange(out, rune(r.Lo), rune(r.Hi), rune(r.Stride))
			}
		}
	}
	out = merged(out)
	if c != positive {
		out = complement(out)
	}
	return out
}

func appendRange(out []rune, lo, hi, stride rune) []rune {
	if stride == 1 {
		return append(out, lo, hi)
	}
	for r := lo; r <= hi; r += stride {
		out = append(out, r, r)
	}
	return out
}

// merged sorts ranges and joins those that touch.
func merged(ranges []rune) []rune {
	pairs := make([][2]rune, 0, len(ranges)/2)
	for i := 0; i < len(ranges); i += 2 {
		pairs = append(pairs, [2]rune{ranges[i], ranges[i+1]})
	}
	sort.Slice(pairs, func(i, j int) bool { return pairs[i][0] < pairs[j][0] })
	var out []rune
	for _, p := range pairs {
		if n := len(out); n > 0 && p[0] <= out[n-1]+1 {
			out[n-1] = max(out[n-1], p[1])
			continue
		}
		out = append(out, p[0], p[1])
	}
	return out
}

// complement expects merged ranges.
func complement(ranges []rune) []rune {
	var out []rune
	from := rune(0)
	for i := 0; i < len(ranges); i += 2 {
		if from < ranges[i] {
			out = append(out, from, ranges[i]-1)
		}
		from = ranges[i+1] + 1
	}
	if from <= unicode.MaxRune {
		out = append(out, from, unicode.MaxRune)
	}
	return out
}
