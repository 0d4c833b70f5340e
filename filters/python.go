package filters

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What Python's str and int do, where it differs from Go's.

// pySpace is str.isspace of one character: four separators more than Go's.
func pySpace(r rune) bool {
	if r < utf8.RuneSelf {
		return r == ' ' || '\t' <= r && r <= '\r' || 0x1c <= r && r <= 0x1f
	}
	return unicode.IsSpace(r)
}

// strip is str.strip.
func strip(s string) string {
	for s != "" && s[0] == ' ' {
		s = s[1:]
	}
	if s == "" || !edge(s[0]) && !edge(s[len(s)-1]) {
		return s
	}
	return strings.TrimFunc(s, pySpace)
}

// lower is str.lower, which knows two special cases more than Go: the Turkish capital İ becomes two characters, and a Greek
// sigma at the end of a word is written another way.
func lower(s string) string {
	if !strings.ContainsAny(s, "İΣ") {
		return strings.ToLower(s)
	}
	var out strings.Builder
	for i, r := range s {
		switch {
		case r == 'İ':
			out.WriteString("i\u0307")
		case r == 'Σ' && endsWord(s[:i], s[i+len("Σ"):]):
			out.WriteRune('ς')
		default:
			out.WriteRune(unicode.ToLower(r))
		}
	}
	return out.String()
}

// endsWord is Unicode's Final_Sigma: a letter with case comes before, none after, and marks between do not count.
func endsWord(before, after string) bool {
	for before != "" {
		r, n := utf8.DecodeLastRuneInString(before)
		if !caseIgnorable(r) {
			if !cased(r) {
				return false
			}
			break
		}
		before = before[:len(before)-n]
	}
	for _, r := range after {
		if !caseIgnorable(r) {
			return before != "" && !cased(r)
		}
	}
	return before != ""
}

func cased(r rune) bool {
	return unicode.In(r, unicode.Lu, unicode.Ll, unicode.Lt, unicode.Other_Lowercase, unicode.Other_Uppercase)
}

// caseIgnorable is the property of that name: marks, modifiers, and what may stand inside of a word.
func caseIgnorable(r rune) bool {
	return unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk) ||
		strings.ContainsRune("'.:\u00b7\u0387\u055f\u05f4\u2018\u2019\u2024\u2027\ufe13\ufe52\ufe55\uff07\uff0e\uff1a", r)
}

// edge reports whether b may belong to white space at the edge of a text.
func edge(b byte) bool { return b <= ' ' || b >= utf8.RuneSelf }

// maxIntDigits is Python's own bound (sys.int_info.default_max_str_digits).
const maxIntDigits = 4300

// pyInt is int(s): white space around, a sign, digits of any script, single underscores between digits. What does not
// fit an int64 is cut off at its bounds; no process and no limit is that large.
func pyInt(s string) (int64, bool) {
	s = strings.TrimFunc(s, unicode.IsSpace) // without the four separators of pySpace
	negative := strings.HasPrefix(s, "-")
	if negative || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	var n int64
	digits, under := 0, true // an underscore may follow a digit alone
	for _, r := range s {
		if r == '_' {
			if under {
				return 0, false
			}
			under = true
			continue
		}
		d, ok := decimal(r)
		if !ok {
			return 0, false
		}
		under = false
		digits++
		if n > (math.MaxInt64-9)/10 {
			n = math.MaxInt64 / 100
		}
		n = n*10 + int64(d)
	}
	if digits == 0 || digits > maxIntDigits || under {
		return 0, false
	}
	if negative {
		n = -n
	}
	return n, true
}

// decimal returns the value of a decimal digit of any script: Unicode keeps each script's ten in a row, and
// every range of category Nd begins with a zero.
func decimal(r rune) (int, bool) {
	if r < utf8.RuneSelf {
		return int(r - '0'), '0' <= r && r <= '9'
	}
	for _, t := range unicode.Nd.R16 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return int(r-rune(t.Lo)) % 10, true
		}
	}
	for _, t := range unicode.Nd.R32 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return int(r-rune(t.Lo)) % 10, true
		}
	}
	return 0, false
}

// basename is os.path.basename.
func basename(path string) string {
	return path[strings.LastIndexByte(path, '/')+1:]
}

// joined is os.path.join of a folder and a name that is not absolute.
func joined(dir, name string) string {
	if dir == "" || strings.HasSuffix(dir, "/") {
		return dir + name
	}
	return dir + "/" + name
}

// isAbs is os.path.isabs.
func isAbs(path string) bool { return strings.HasPrefix(path, "/") }

// fields is [s.strip() for s in value.split(",")], appended to into.
func fields(into []string, value string) []string {
	for {
		i := strings.IndexByte(value, ',')
		if i < 0 {
			return append(into, strip(value))
		}
		into = append(into, strip(value[:i]))
		value = value[i+1:]
	}
}
