package mask

import "strings"

// urls masks the password of scheme://user:password@host, and what stands there alone for HTTP: a token.
func urls(s string) string {
	if !strings.Contains(s, "://") {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		end := strings.IndexAny(s, " \t\r\n\"'<>") + 1
		if end == 0 {
			end = len(s)
		}
		maskURLs(&b, s[:end])
		s = s[end:]
	}
	return b.String()
}

// maskURLs does that for a text without blanks or quotes but at its end, in one walk.
func maskURLs(b *strings.Builder, s string) {
	lastAt := strings.LastIndexByte(s, '@')
	for done := 0; ; {
		n := strings.Index(s[done:], "://")
		if n < 0 {
			b.WriteString(s[done:])
			return
		}
		scheme := strings.ToLower(s[done : done+n])
		user := done + n + len("://")
		b.WriteString(s[done:user])
		done = user
		if from, to := userInfo(s[user:], lastAt-user, strings.HasSuffix(scheme, "http") || strings.HasSuffix(scheme, "https")); from < to {
			b.WriteString(s[user:user+from] + Masked)
			done = user + to
		}
	}
}

// userInfo finds the secret in what follows "://"; lastAt is the last @ in it, negative where there is none. A slash, a
// question mark and a number sign should be encoded there; where they are not, and what stands before them is no host with
// its port, they belong to the password.
func userInfo(s string, lastAt int, web bool) (from, to int) {
	host := s
	if end := strings.IndexAny(s, "/?#"); end >= 0 {
		host = s[:end]
	}
	at, colon := strings.LastIndexByte(host, '@'), strings.IndexByte(host, ':')
	if at < 0 && colon >= 0 {
		port := host[colon+1:]
		if address, behind, found := strings.Cut(host, "]"); found && strings.HasPrefix(address, "[") { // an IPv6 address
			port = strings.TrimPrefix(behind, ":")
		}
		if strings.Trim(port, "0123456789") != "" {
			at = lastAt
		}
	}
	switch {
	case at < 0:
		return 0, 0
	case colon >= 0 && colon < at:
		return colon + 1, at
	case web:
		return 0, at
	}
	return 0, 0
}
