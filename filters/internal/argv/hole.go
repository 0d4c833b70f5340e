package argv

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// A hole is a kind of value that an argument may have.
type hole interface {
	// match judges a value that is not empty.
	match(value string) bool
	// holds says whether a value could hold c.
	holds(c byte) bool
	// String is how it is written in a policy.
	String() string
}

// newHole makes a hole of what stands between < and >.
func newHole(body string) (hole, error) {
	kind, parameter, has := strings.Cut(body, ":")
	switch kind {
	case "int":
		return newInt(body, parameter, has)
	case "path":
		return newPath(parameter)
	case "re":
		return newRegexp(parameter)
	}
	for i := range plain {
		if plain[i].kind == kind {
			if has {
				return nil, fmt.Errorf("<%s> takes no parameter: write <%s>", body, kind)
			}
			return &plain[i], nil
		}
	}
	return nil, fmt.Errorf("<%s> is not known: write one of int, ifname, netns, mac, ip, cidr, uuid, name, path:DIR, re:PATTERN, or \\< for itself", body)
}

// A plainHole has no parameter.
type plainHole struct {
	kind  string
	bytes string // what it may hold besides letters and digits
	max   int    // bytes
	valid func(string) bool
}

// plain are the kinds without a parameter. Each allows less than the programs that read it do.
var plain = []plainHole{
	// dev_valid_name of the kernel, and no more than what is seen in the wild: 15 bytes, none of / : or blanks.
	{"ifname", "_.-@+", 15, notDots},
	// A file name below /run/netns.
	{"netns", "_.-@+:=", 255, notDots},
	{"mac", ":", 17, validMAC},
	{"ip", ".:", 45, func(s string) bool { _, err := netip.ParseAddr(s); return err == nil }},
	{"cidr", ".:/", 49, func(s string) bool { _, err := netip.ParsePrefix(s); return err == nil }},
	{"uuid", "-", 36, validUUID},
	{"name", "_.-", 255, func(s string) bool { return s[0] != '.' }},
}

func (h *plainHole) match(value string) bool {
	if len(value) > h.max || value[0] == '-' {
		return false
	}
	for i := range len(value) {
		if !h.holds(value[i]) {
			return false
		}
	}
	return h.valid(value)
}

func (h *plainHole) holds(c byte) bool { return alphanumeric(c) || strings.IndexByte(h.bytes, c) >= 0 }

func (h *plainHole) String() string { return "<" + h.kind + ">" }

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func hex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }

func notDots(s string) bool { return s != "." && s != ".." }

// shaped says whether every byte of s is a hexadecimal digit, but those where divided says so, which are divider.
func shaped(s string, divider byte, divided func(i int) bool) bool {
	for i := range len(s) {
		if divided(i) != (s[i] == divider) || !divided(i) && !hex(s[i]) {
			return false
		}
	}
	return true
}

func validMAC(s string) bool {
	return len(s) == 17 && shaped(s, ':', func(i int) bool { return i%3 == 2 })
}

func validUUID(s string) bool {
	return len(s) == 36 && shaped(s, '-', func(i int) bool { return i == 8 || i == 13 || i == 18 || i == 23 })
}

// An intHole is a decimal number as people write it: no sign but a minus, and no zeros before it, which some programs take
// for octal.
type intHole struct {
	lo, hi int64
	body   string // as written, between < and >
}

// newInt makes one of int, or of int:N-M, where N may be negative.
func newInt(body, parameter string, has bool) (hole, error) {
	if !has {
		return intHole{0, math.MaxInt64, body}, nil
	}
	h := intHole{body: body}
	sign := len(parameter) - len(strings.TrimPrefix(parameter, "-"))
	from, to, _ := strings.Cut(parameter[sign:], "-")
	var err1, err2 error
	h.lo, err1 = strconv.ParseInt(parameter[:sign+len(from)], 10, 64)
	h.hi, err2 = strconv.ParseInt(to, 10, 64)
	switch {
	case strings.Contains(parameter, "+") || errors.Is(err1, strconv.ErrSyntax) || errors.Is(err2, strconv.ErrSyntax):
		return nil, fmt.Errorf("%s is not a range: write <int:0-4096>", h)
	case err1 != nil || err2 != nil:
		return nil, fmt.Errorf("%s does not fit into 64 bits", h)
	case h.lo > h.hi:
		return nil, fmt.Errorf("%s is empty: write the smaller number first", h)
	}
	return h, nil
}

func (h intHole) match(value string) bool {
	if digits := strings.TrimPrefix(value, "-"); value != "0" && (digits == "" || digits[0] < '1' || digits[0] > '9') {
		return false
	}
	n, err := strconv.ParseInt(value, 10, 64)
	return err == nil && h.lo <= n && n <= h.hi
}

func (h intHole) holds(c byte) bool { return '0' <= c && c <= '9' || c == '-' && h.lo < 0 }
func (h intHole) String() string    { return "<" + h.body + ">" }

// A pathHole is an absolute path beneath a folder. What it is beneath when links are followed is for the caller to see:
// Use says where.
type pathHole struct {
	dir        string
	descriptor bool
}

func newPath(parameter string) (hole, error) {
	h := pathHole{}
	h.dir, h.descriptor = strings.CutSuffix(parameter, ",fd")
	switch {
	case h.dir == "" || h.dir[0] != '/':
		return nil, fmt.Errorf("<path:%s> needs an absolute folder: write <path:/var/lib/nova>", parameter)
	case h.dir == "/":
		return nil, fmt.Errorf("<path:/> would allow every file there is: name a folder")
	case path.Clean(h.dir) != h.dir:
		return nil, fmt.Errorf("<path:%s>: write the folder as %s", parameter, path.Clean(h.dir))
	}
	return h, nil
}

func (h pathHole) match(value string) bool { return value[0] == '/' }
func (h pathHole) holds(byte) bool         { return true }

func (h pathHole) String() string {
	if h.descriptor {
		return "<path:" + h.dir + ",fd>"
	}
	return "<path:" + h.dir + ">"
}

// A regexpHole is anchored at both ends.
type regexpHole struct {
	re      *regexp.Regexp
	written string
}

func newRegexp(parameter string) (hole, error) {
	if parameter == "" {
		return nil, fmt.Errorf("<re:> matches nothing: write a pattern")
	}
	// Alone first: a pattern that closes the group it is put into must be found out.
	_, err := regexp.Compile(parameter)
	if err != nil {
		return nil, fmt.Errorf("<re:%s>: %w", parameter, err)
	}
	re, err := regexp.Compile(`\A(?:` + parameter + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("<re:%s>: %w", parameter, err)
	}
	return regexpHole{re, "<re:" + strings.ReplaceAll(parameter, ">", `\>`) + ">"}, nil
}

func (h regexpHole) match(value string) bool { return h.re.MatchString(value) }
func (h regexpHole) holds(byte) bool         { return true }
func (h regexpHole) String() string          { return h.written }
