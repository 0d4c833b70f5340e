package processutils

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// SplitWords splits a string into words as a POSIX shell does, without expanding anything: quotes, and backslashes where a
// shell reads them. It is Python's shlex.split, by which oslo reads a root helper.
func SplitWords(s string) ([]string, error) {
	var words []string
	var b strings.Builder
	inWord, quote := false, byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote == '\'' || quote == '"' && c != '\\':
			if c == quote {
				quote = 0
				continue
			}
			b.WriteByte(c)
		case c == '\\':
			if i++; i == len(s) {
				return nil, fmt.Errorf("split %q into words: %w", s, errors.New("no character after the backslash"))
			}
			if quote == '"' && s[i] != '"' && s[i] != '\\' {
				b.WriteByte('\\')
			}
			b.WriteByte(s[i])
			inWord = true
		case c == '\'' || c == '"':
			quote, inWord = c, true
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			if inWord {
				words = append(words, b.String())
				b.Reset()
				inWord = false
			}
		default:
			b.WriteByte(c)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("split %q into words: %w", s, errors.New("no closing quotation"))
	}
	if inWord {
		words = append(words, b.String())
	}
	return words, nil
}

// Quote joins a command line into one line that a person, and bash, reads as the same words. Control characters, what is
// invisible or turns the direction of writing, and bytes that are no UTF-8 are written as $'\xff'.
func Quote(args []string) string {
	var b strings.Builder
	for i, arg := range args {
		if i > 0 {
			b.WriteByte(' ')
		}
		quoteWord(&b, arg)
	}
	return b.String()
}

func quoteWord(b *strings.Builder, s string) {
	plain, printable := s != "", true
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || !unicode.IsPrint(r) {
			printable = false
			break
		}
		plain = plain && (r > 127 || unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("@%+=:,./_-", r))
		i += n
	}
	switch {
	case plain && printable:
		b.WriteString(s)
	case printable:
		b.WriteString("'" + strings.ReplaceAll(s, "'", `'\''`) + "'")
	default:
		b.WriteString("$'")
		for i := 0; i < len(s); {
			r, n := utf8.DecodeRuneInString(s[i:])
			switch {
			case r == '\\' || r == '\'':
				b.WriteByte('\\')
				b.WriteRune(r)
			case r == utf8.RuneError && n == 1 || !unicode.IsPrint(r):
				for _, c := range []byte(s[i : i+n]) {
					fmt.Fprintf(b, `\x%02x`, c)
				}
			default:
				b.WriteString(s[i : i+n])
			}
			i += n
		}
		b.WriteByte('\'')
	}
}
