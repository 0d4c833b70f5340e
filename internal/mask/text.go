package mask

import "strings"

// named masks every value that follows a secret's name: NAME=value, NAME: value, "NAME": "value", <NAME>value</NAME>,
// --NAME value, NAME "value", NAME -v value, 'NAME', '--flag', 'value'. These are the forms of mask_password, whose
// patterns end a quoted value at the first quote of either kind; here it ends where a quote of the same kind closes it.
//
// With whole the text is one argument, in which a bare value goes on to the end: a password may hold blanks and commas.
func named(s string, whole bool) string {
	var b strings.Builder
	done := 0 // what of s is in b
	for i := 0; i < len(s); {
		if !nameByte(s[i]) {
			i++
			continue
		}
		end := i
		for end < len(s) && nameByte(s[end]) {
			end++
		}
		if secretName(s[i:end]) {
			if from, to := valueAfter(s, i, end, whole); from < to || from == to && from > 0 && quoteAt(s, from) > 0 {
				b.WriteString(s[done:from]) // an empty one too, between its quotes: that it is empty tells something
				b.WriteString(Masked)
				done, end = to, to
			}
		}
		i = end
	}
	if done == 0 {
		return s
	}
	b.WriteString(s[done:])
	return b.String()
}

// valueAfter finds the value of the secret name s[at:end]; 0, 0 where none follows.
func valueAfter(s string, at, end int, whole bool) (from, to int) {
	before := byte('\n')
	if at > 0 {
		before = s[at-1]
	}
	if before == '<' && end < len(s) && s[end] == '>' {
		if n := strings.IndexByte(s[end:], '<'); n >= 0 {
			return end + 1, end + n
		}
		return end + 1, len(s)
	}
	i, quoted := end, false
	if n := quoteAt(s, i); n > 0 {
		i, quoted = i+n, true
	}
	i = skipBlank(s, i)
	switch {
	case i == len(s):
	case s[i] == '=':
		i++
		if i < len(s) && s[i] == '>' { // a hash of Ruby or Puppet
			i++
		}
		return value(s, skipBlank(s, i), whole, 0)
	case s[i] == ':' && quoted:
		return value(s, skipBlank(s, i+1), false, ',')
	case s[i] == ':' && header(s, at, end):
		return headerValue(s, i+1, before)
	case s[i] == ',' && quoted:
		return nextInList(s, at, i)
	case i == end || quoted:
	case quoteAt(s, i) > 0:
		return value(s, i, false, 0)
	case strings.HasPrefix(s[at:end], "--"):
		return word(s, i)
	case s[i] == '-':
		for i < len(s) && s[i] == '-' {
			i++
		}
		for i < len(s) && ('a' <= s[i]|0x20 && s[i]|0x20 <= 'z' || s[i] == '_') {
			i++
		}
		return word(s, skipBlank(s, i))
	}
	return 0, 0
}

// value finds a quoted value, or a bare one that ends at a blank, a quote or the byte until.
func value(s string, i int, whole bool, until byte) (from, to int) {
	if i+1 < len(s) && (s[i] == 'u' || s[i] == 'b') && quoteAt(s, i+1) > 0 { // Python's u'value'
		i++
	}
	n := quoteAt(s, i)
	switch {
	case n == 0 && i < len(s) && s[i] == '{':
		return 0, 0 // an object, whose own names are looked at
	case n == 0 && i < len(s) && s[i] == '[':
		if end := strings.IndexByte(s[i:], ']'); end >= 0 {
			return i + 1, i + end
		}
		return i, len(s)
	case n == 0:
		for to = i; to < len(s); to++ {
			c := s[to]
			if !whole && (blank(c) || c == '"' || c == '\'' || until != 0 && (c == until || c == '}' || c == ']')) {
				break
			}
		}
		return i, to
	}
	quote := s[i : i+n] // with its backslash, where the text is itself quoted
	i += n
	first := -1
	for to = i; to < len(s); to++ {
		if quote == `"` && s[to] == '\\' {
			to++
			continue
		}
		if !strings.HasPrefix(s[to:], quote) {
			continue
		}
		if first < 0 {
			first = to
		}
		if after := to + n; after == len(s) || blank(s[after]) || strings.IndexByte(",;:}])>&/|\\\"'`", s[after]) >= 0 {
			return i, to
		}
	}
	if first >= 0 && !strings.Contains(s[first:], "\n") {
		return i, len(s) // quotes inside and none that closes: no part of it may show
	}
	if first >= 0 {
		return i, first
	}
	return i, len(s)
}

// nextInList finds the value in a printed list: '--password', 'value', or as iscsiadm is called, 'node.auth.password',
// '-v', 'value'.
func nextInList(s string, at, comma int) (from, to int) {
	i := skipBlank(s, comma+1)
	n := quoteAt(s, i)
	if n == 0 {
		return 0, 0
	}
	if s[at] != '-' {
		option := i + n
		i = option
		for i < len(s) && nameByte(s[i]) {
			i++
		}
		if i == option || s[option] != '-' || quoteAt(s, i) != n {
			return 0, 0
		}
		if i = skipBlank(s, i+n); i == len(s) || s[i] != ',' {
			return 0, 0
		}
		i = skipBlank(s, i+1)
	}
	return value(s, i, false, ',')
}

// header reports whether a colon after the bare name s[at:end] gives it a value. In "invalid token: unexpected }" it does
// not.
func header(s string, at, end int) bool {
	if strings.ContainsAny(s[at:end], "-_") || !strings.EqualFold(s[at:end], "token") {
		return true
	}
	for at > 0 && s[at-1] != '\n' {
		if strings.IndexByte(" \t<>*+-{,\"'", s[at-1]) < 0 {
			return false
		}
		at--
	}
	return true
}

// headerValue goes to the end of the line, or to the quote that opened before the name: -H 'X-Auth-Token: value'.
func headerValue(s string, i int, before byte) (from, to int) {
	for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
		i++
	}
	stop := "\r\n"
	if before == '"' || before == '\'' {
		stop += string(before)
	}
	if n := strings.IndexAny(s[i:], stop); n >= 0 {
		return i, i + n
	}
	return i, len(s)
}

func word(s string, i int) (from, to int) {
	for to = i; to < len(s) && !blank(s[to]); to++ {
	}
	return i, to
}

// maxBackslashes is what stands before a quote in a text that was quoted five times.
const maxBackslashes = 31

// quoteAt returns the length of a quote at i, its backslashes included, or 0.
func quoteAt(s string, i int) int {
	n := i
	for n < len(s) && s[n] == '\\' && n-i < maxBackslashes {
		n++
	}
	if n < len(s) && (s[n] == '"' || s[n] == '\'') {
		return n + 1 - i
	}
	return 0
}

func skipBlank(s string, i int) int {
	for i < len(s) && blank(s[i]) {
		i++
	}
	return i
}

func blank(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }
