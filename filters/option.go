package filters

import (
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// list reads what commas divide. Nothing may stand twice, and nothing at all only where empty allows it.
func list(value string, empty bool, check func(string) error) ([]string, error) {
	if value == "" && empty {
		return nil, nil
	}
	var out []string
	for _, part := range strings.Split(value, ",") {
		part = strings.TrimFunc(part, pySpace)
		if part == "" {
			return nil, fmt.Errorf("an element of %q is empty", value)
		}
		if err := check(part); err != nil {
			return nil, err
		}
		if slices.Contains(out, part) {
			return nil, fmt.Errorf("%q stands twice", part)
		}
		out = append(out, part)
	}
	return out, nil
}

// oneOf sets on where value is the second of two words.
func oneOf(value string, on *bool, off, word string) error {
	if value != off && value != word {
		return fmt.Errorf("%q is not known: write %s or %s", value, off, word)
	}
	*on = value == word
	return nil
}

// checkFolder accepts an absolute path in its shortest form, so that two spellings of one cannot differ.
func checkFolder(p string) error {
	switch {
	case !isAbs(p):
		return fmt.Errorf("%q is not an absolute path", p)
	case path.Clean(p) != p:
		return fmt.Errorf("%q: write %s", p, path.Clean(p))
	}
	return nil
}

// checkFileName accepts what is a file name in every naming of locks, and of no hidden file. what is named so.
func checkFileName(what, name string) error {
	for i, c := range []byte(name) {
		switch {
		case '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_':
		case i > 0 && (c == '-' || c == '.'):
		default:
			return fmt.Errorf("%s %q: write letters, digits, _, - and . only, the first no - or .", what, name)
		}
	}
	if len(name) > 200 {
		return fmt.Errorf("%s %.20q… is longer than 200 bytes", what, name)
	}
	return nil
}

func parseSHA256(value string) ([]byte, error) {
	sum, err := hex.DecodeString(value)
	if err != nil || len(sum) != 32 {
		return nil, fmt.Errorf("%q is no digest: write the 64 hexadecimal digits of sha256sum", value)
	}
	return sum, nil
}

// parseEnvItems reads NAME, which the client may set, and NAME=value.
func parseEnvItems(value string) ([]EnvItem, error) {
	var items []EnvItem
	_, err := list(value, false, func(part string) error {
		var it EnvItem
		it.Name, it.Value, it.Fixed = strings.Cut(part, "=")
		switch {
		case !validEnvName(it.Name):
			return fmt.Errorf("%q is no name of a variable", it.Name)
		case !it.Fixed && unsafeEnvName(it.Name):
			return fmt.Errorf("%s changes which code a program runs: no client may set it", it.Name)
		case slices.ContainsFunc(items, func(o EnvItem) bool { return o.Name == it.Name }):
			return fmt.Errorf("%s stands twice", it.Name)
		}
		items = append(items, it)
		return nil
	})
	return items, err
}

func parseUmask(value string) (uint32, error) {
	n, err := strconv.ParseUint(value, 8, 32)
	if err != nil || n > 0o777 || value[0] == '+' {
		return 0, fmt.Errorf("%q is no mask: write octal digits, such as 022", value)
	}
	return uint32(n), nil
}

func parseNice(value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < -20 || n > 19 {
		return 0, fmt.Errorf("%q is no nice value: write a number from -20 to 19", value)
	}
	return n, nil
}

// limitNames are setrlimit(2)'s, without RLIMIT_ and in lower case.
var limitNames = []string{
	"as", "core", "cpu", "data", "fsize", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime",
	"sigpending", "stack",
}

// parseLimit reads N, or SOFT:HARD, in the units of setrlimit(2): bytes, seconds or a count.
func parseLimit(resource, value string) (Limit, error) {
	l := Limit{Resource: resource}
	if !slices.Contains(limitNames, resource) {
		return l, fmt.Errorf("the limit is not known: write one of %s", strings.Join(limitNames, ", "))
	}
	soft, hard, both := strings.Cut(value, ":")
	if !both {
		hard = soft
	}
	var ok1, ok2 bool
	l.Soft, ok1 = parseAmount(soft)
	l.Hard, ok2 = parseAmount(hard)
	switch {
	case !ok1 || !ok2:
		return l, fmt.Errorf("%q is no limit: write a number, SOFT:HARD, or unlimited", value)
	case l.Soft > l.Hard:
		return l, fmt.Errorf("%q: the soft limit is above the hard one", value)
	}
	return l, nil
}

func parseAmount(s string) (uint64, bool) {
	if s == "unlimited" {
		return Unlimited, true
	}
	n, err := strconv.ParseUint(s, 10, 63)
	return n, err == nil && s[0] != '+'
}
