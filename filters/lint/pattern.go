package lint

import (
	"regexp/syntax"
	"slices"
	"strings"
)

// A pattern is judged by what it accepts: texts that an attacker would try are made from it, and the engine that decides is
// asked about each. So whatever is said of a pattern is shown by an example, and nothing is said that is not so; a weakness
// that no example was made for is not found.

// accepts is how an engine answers.
type accepts func(text string) bool

// anything are texts that share nothing: what matches them all matches whatever it is given.
var anything = []string{"-x", "--option=/etc/shadow", "/etc/shadow", "x", "../x", "7"}

// open reports whether a pattern matches every argument there is, but for some bytes such as blanks, and options where no
// argument can be one.
func open(ok accepts, options bool) bool {
	return !slices.ContainsFunc(anything, func(s string) bool { return !ok(s) && (options || s[0] != '-') })
}

// option returns an option that a pattern matches which is written for something else: for a value, or a path.
func option(text string, ok accepts) string {
	if strings.HasPrefix(strings.TrimLeft(text, `^(?:\`), "-") {
		return ""
	}
	for _, o := range []string{"-x", "--x", "-rf", "--option=/etc/shadow", "-"} {
		if ok(o) && o != "-" {
			return o
		}
	}
	return ""
}

// outside returns a text that a pattern matches and that leads out of the folder the pattern begins with.
func outside(text string, ok accepts) string {
	for _, climb := range []string{"../../../../etc/shadow", "x/../../../../../etc/shadow", "..", "x/../.."} {
		for _, s := range samples(text, climb) {
			before, _, climbs := strings.Cut(s, "..")
			if climbs && strings.Contains(before, "/") && ok(s) {
				return s
			}
		}
	}
	return ""
}

// samples makes texts of a pattern: the shortest that each alternative allows, with wide in the place of each piece that
// may be of any length and holds dots and slashes. They are guesses: the caller asks the engine. Patterns that Go cannot
// read give none but their beginning.
func samples(pattern, wide string) []string {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		// A look-ahead, mostly: what stands before it, and then anything.
		i := strings.Index(pattern, "(?")
		if i < 0 {
			return nil
		}
		var out []string
		for _, s := range samples(pattern[:i], wide) {
			out = append(out, s+wide, s+"x/"+wide)
		}
		return out
	}
	return expand(re, wide)
}

// maxSamples bounds what alternatives multiply to.
const maxSamples = 64

func expand(re *syntax.Regexp, wide string) []string {
	switch re.Op {
	case syntax.OpLiteral:
		return []string{string(re.Rune)}
	case syntax.OpCharClass:
		return []string{string(member(re))}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return []string{"a"}
	case syntax.OpCapture:
		return expand(re.Sub[0], wide)
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		if isWide(re.Sub[0]) && re.Op != syntax.OpQuest {
			return []string{wide}
		}
		if re.Op == syntax.OpStar || re.Op == syntax.OpQuest {
			return append([]string{""}, expand(re.Sub[0], wide)...)
		}
		out := expand(re.Sub[0], wide)
		for i := range out {
			out[i] = strings.Repeat(out[i], max(1, min(re.Min, 40)))
		}
		return out
	case syntax.OpAlternate:
		var out []string
		for _, sub := range re.Sub {
			out = append(out, expand(sub, wide)...)
		}
		return out[:min(len(out), maxSamples)]
	case syntax.OpConcat:
		out := []string{""}
		for _, sub := range re.Sub {
			var longer []string
			for _, s := range out {
				for _, t := range expand(sub, wide) {
					if len(longer) < maxSamples {
						longer = append(longer, s+t)
					}
				}
			}
			out = longer
		}
		return out
	}
	return []string{""}
}

// isWide reports whether repeating a piece can spell a path that climbs.
func isWide(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return true
	case syntax.OpCapture:
		return isWide(re.Sub[0])
	case syntax.OpCharClass:
		return inClass(re, '.') && inClass(re, '/')
	}
	return false
}

func inClass(re *syntax.Regexp, c rune) bool {
	for i := 0; i+1 < len(re.Rune); i += 2 {
		if re.Rune[i] <= c && c <= re.Rune[i+1] {
			return true
		}
	}
	return false
}

// member returns a character of a class, one that people use if there is one.
func member(re *syntax.Regexp) rune {
	for _, c := range "a0AX-._/ " {
		if inClass(re, c) {
			return c
		}
	}
	if len(re.Rune) == 0 {
		return 'a'
	}
	return re.Rune[0]
}

// dot returns the part of a pattern around a dot that stands alone between two letters or digits, where its author has
// most likely meant a dot; and the same with the dot escaped.
func dot(pattern string) (part, meant string) {
	letter := func(i int) bool {
		return i >= 0 && i < len(pattern) && (pattern[i] >= 'a' && pattern[i] <= 'z' || pattern[i] >= '0' && pattern[i] <= '9')
	}
	if strings.ContainsAny(pattern, "[") {
		return "", "" // in a class a dot is one
	}
	for i := range len(pattern) {
		if pattern[i] != '.' || !letter(i-1) || !letter(i+1) || i >= 2 && pattern[i-2] == '\\' {
			continue
		}
		from, to := i, i
		for letter(from - 1) {
			from--
		}
		for letter(to + 1) {
			to++
		}
		return pattern[from : to+1], pattern[from:i] + `\` + pattern[i:to+1]
	}
	return "", ""
}
