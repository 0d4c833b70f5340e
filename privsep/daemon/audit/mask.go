package audit

import (
	"slices"
	"strconv"
	"strings"
)

// masked stands where a secret was: oslo_utils.strutils.mask_password writes the same.
const masked = "***"

// secretNames are parts of names whose value is secret: those of oslo_utils.strutils, and what it misses. OS_PASSWORD is
// such a name; --password-file is none, by its end: which file was read must be seen.
var secretNames = []string{
	"password", "passwd", "passphrase", "passwort", "pswd", "adminpass", "admin_pass", "new_pass", "secret", "token",
	"credential", "authorization", "cookie", "apikey", "api_key", "api-key", "private_key", "private-key", "privatekey",
	"access_key", "access-key", "encrypted_key", "fernetkey", "sslkey", "clientkey", "authkey", "auth_key", "configdrive",
}

// publicEnds are ends of such a name that say it means something else.
var publicEnds = []string{"file", "path", "dir", "id", "name", "type", "length", "ttl"}

// A masker takes the secrets out of one decision's texts. What it has found in an argument it also finds where another
// text quotes it.
type masker struct{ found []string }

// list masks each string, and the one after an option that is a secret's name alone: --password X, or, as iscsiadm(8) has
// it, node.session.auth.password -v X.
func (m *masker) list(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		option := i > 0 && len(list[i-1]) > 1 && list[i-1][0] == '-' && secretName(list[i-1])
		value := i > 1 && (list[i-1] == "-v" || list[i-1] == "--value") && secretName(list[i-2])
		if value || option && !strings.HasPrefix(s, "--") {
			m.remember(s)
			out[i] = masked
			continue
		}
		out[i] = m.text(s)
	}
	return out
}

// text masks within one string: NAME=value, NAME: value, "NAME": "value", scheme://user:password@host, and whatever was
// found before.
func (m *masker) text(s string) string {
	s = m.userInfo(m.pairs(s))
	for _, secret := range m.found {
		s = strings.ReplaceAll(s, secret, masked)
	}
	return s
}

// maxFound bounds the work that one request can ask for.
const maxFound = 32

// remember keeps a secret for later texts, also as %q writes it. One that is very short is known by its quotes alone, or it
// would be found everywhere.
func (m *masker) remember(secret string) {
	quoted := strconv.Quote(secret)
	for _, form := range []string{secret, quoted[1 : len(quoted)-1], quoted} {
		if (len(form) >= 4 || form == quoted) && len(m.found) < maxFound && !slices.Contains(m.found, form) {
			m.found = append(m.found, form)
		}
	}
}

// pairs masks the value of every NAME= and NAME: of a secret.
func (m *masker) pairs(s string) string {
	var b strings.Builder
	done := 0 // what of s is in b
	for i := 0; i < len(s); i++ {
		if s[i] != '=' && s[i] != ':' {
			continue
		}
		name := strings.TrimRight(s[done:i], " \t\"'\\")
		at := len(name)
		for at > 0 && nameByte(name[at-1]) {
			at--
		}
		if !secretName(name[at:]) {
			continue
		}
		at += done
		from, to := value(s, i+1, s[i] == ':' || strings.Trim(s[:at], "-") == "")
		if from == to {
			continue
		}
		m.remember(s[from:to])
		b.WriteString(s[done:from])
		b.WriteString(masked)
		done, i = to, to-1
	}
	b.WriteString(s[done:])
	return b.String()
}

// value finds where the value begins and ends whose = or : stands before i. A quoted one ends at its quote. With whole it
// goes on to the end of the string: that of a header, which may be several words ("Authorization: Bearer X"), and of
// --password=X, where a comma is the password's. Another ends at what separates options.
func value(s string, i int, whole bool) (from, to int) {
	for i < len(s) && (s[i] == ' ' || s[i] == '\t' || s[i] == '\\') {
		i++
	}
	if i == len(s) {
		return i, i
	}
	if q := s[i]; q == '"' || q == '\'' {
		i++
		if n := strings.IndexByte(s[i:], q); n >= 0 {
			return i, i + n
		}
		return i, len(s)
	}
	if whole {
		return i, len(s)
	}
	if n := strings.IndexAny(s[i:], " \t\r\n,;&\"'"); n >= 0 {
		return i, i + n
	}
	return i, len(s)
}

// userInfo masks the password of scheme://user:password@host.
func (m *masker) userInfo(s string) string {
	var b strings.Builder
	for {
		n := strings.Index(s, "://")
		if n < 0 {
			b.WriteString(s)
			return b.String()
		}
		n += len("://")
		b.WriteString(s[:n])
		s = s[n:]
		authority := s
		if end := strings.IndexAny(s, "/?# \t\"'"); end >= 0 {
			authority = s[:end]
		}
		at, colon := strings.LastIndexByte(authority, '@'), strings.IndexByte(authority, ':')
		if at < 0 || colon < 0 || colon+1 >= at {
			continue
		}
		m.remember(authority[colon+1 : at])
		b.WriteString(s[:colon+1] + masked)
		s = s[at:]
	}
}

func nameByte(c byte) bool {
	return c == '_' || c == '-' || c == '.' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func secretName(name string) bool {
	for i := range len(name) {
		if !nameByte(name[i]) {
			return false
		}
	}
	name = asciiLower(name)
	holds := func(part string) bool { return strings.Contains(name, part) }
	ends := func(end string) bool { return strings.HasSuffix(name, "_"+end) || strings.HasSuffix(name, "-"+end) }
	return slices.ContainsFunc(secretNames, holds) && !slices.ContainsFunc(publicEnds, ends)
}

func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
