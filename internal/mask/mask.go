// Package mask takes secrets out of command lines, environments and texts before a log, an error or a person sees them.
// Pure; linked by both sides.
//
//	m := mask.New(dbPassword)
//	m.Args([]string{"mysql", "-phunter2"})      // mysql -p***
//	m.Text(`{"adminPass": "hunter2"}`)          // {"adminPass": "***"}
//
// It knows a secret by three things: by its value, where the caller gave it; by the name that stands before it
// (everything that oslo_utils.strutils.mask_password knows, and more: names.go); and, in a command line, by the option of
// a program that is known for it (programs.go). A command line is masked argument by argument: joined by blanks, as
// mask_password takes it, the end of a secret with a blank in it cannot be found any more (CVE-2014-7230 and its kin).
//
// In doubt too much is masked. Bytes that are no UTF-8 stay what they are.
package mask

import (
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Masked stands where a secret was: mask_password writes the same.
const Masked = "***"

// Masker holds the values that are secret whatever stands before them. The zero value knows none and masks by names and
// programs alone. It is safe for concurrent use.
type Masker struct {
	exact []string // the longest first, so that one that holds another goes whole
}

// New returns a Masker for these values; empty ones are left out. Each is found also as it looks within JSON, within %q,
// and in a URL.
func New(secrets ...string) Masker {
	var m Masker
	for _, s := range secrets {
		if s == "" {
			continue
		}
		quoted := strconv.Quote(s)
		for _, form := range []string{s, quoted[1 : len(quoted)-1], percent(s, false), percent(s, true)} {
			if !slices.Contains(m.exact, form) {
				m.exact = append(m.exact, form)
			}
		}
	}
	sort.SliceStable(m.exact, func(i, j int) bool { return len(m.exact[i]) > len(m.exact[j]) })
	return m
}

// Text masks what a program wrote, or any other text. It may span lines.
func (m Masker) Text(s string) string {
	return named(urls(programsInText(keyBlocks(m.values(s)))), false)
}

// values masks what the caller named.
func (m Masker) values(s string) string {
	for _, secret := range m.exact {
		s = strings.ReplaceAll(s, secret, Masked)
	}
	return s
}

// Cut prepares the two ends of a text whose middle was left out: what of a secret lies at either side of the gap goes,
// whole lines where there are lines. Text masks the rest.
func (m Masker) Cut(head, tail string) (string, string) {
	for _, secret := range m.exact {
		for n := len(secret) - 1; n > 0; n-- {
			if strings.HasSuffix(head, secret[:n]) {
				head = head[:len(head)-n]
				break
			}
		}
		for n := len(secret) - 1; n > 0; n-- {
			if strings.HasPrefix(tail, secret[len(secret)-n:]) {
				tail = tail[n:]
				break
			}
		}
	}
	head = head[:strings.LastIndexByte(head, '\n')+1]
	_, tail, _ = strings.Cut(tail, "\n")
	if before, after, found := strings.Cut(tail, "-----END "); found && !strings.Contains(before, "-----BEGIN ") {
		tail = Masked + "-----END " + after // the key's beginning is in the gap
	}
	return head, tail
}

// maxLabel bounds the first line of a PEM block: "-----BEGIN ENCRYPTED PRIVATE KEY-----" has 37 bytes.
const maxLabel = 100

// keyBlocks masks the body of every PEM private key; one without an end goes to the end of the text.
func keyBlocks(s string) string {
	var b strings.Builder
	for {
		begin := strings.Index(s, "-----BEGIN ")
		if begin < 0 {
			break
		}
		line := s[begin:min(begin+maxLabel, len(s))]
		if n := strings.IndexAny(line, "\r\n\\"); n >= 0 {
			line = line[:n]
		}
		b.WriteString(s[:begin+len(line)])
		s = s[begin+len(line):]
		if !strings.Contains(line, "PRIVATE KEY") {
			continue
		}
		b.WriteString(Masked)
		end := strings.Index(s, "-----END ")
		if end < 0 {
			return b.String()
		}
		s = s[end:]
	}
	if b.Len() == 0 {
		return s
	}
	b.WriteString(s)
	return b.String()
}

// percent encodes s as the part of a URL's path, or as the value in its query. net/url is not for root.
func percent(s string, query bool) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c == '-' || c == '_' || c == '.' || c == '~' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z':
			b.WriteByte(c)
		case c == ' ' && query:
			b.WriteByte('+')
		default:
			const hex = "0123456789ABCDEF"
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}
