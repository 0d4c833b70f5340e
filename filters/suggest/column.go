package suggest

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/privhelper/privhelper/filters/internal/argv"
	"github.com/privhelper/privhelper/filters/lint"
)

// A branch is some lines of one skeleton, and the elements that are found already.
type branch struct {
	lines    []Line
	elements []string
}

// split finds the elements of a branch from left to right. Where the values of one argument are of different kinds, or
// are words, it goes on with a branch for each.
func split(b branch, leave func(reason string, lines ...Line)) []branch {
	at := len(b.elements) + 1
	if at == len(b.lines[0].Argv) {
		return []branch{b}
	}
	var out []branch
	parts, reason := column(b.lines, at)
	if reason != "" {
		leave(reason, b.lines...)
		return nil
	}
	for _, p := range parts {
		out = append(out, split(branch{p.lines, append(slices.Clip(b.elements), p.element)}, leave)...)
	}
	return out
}

// A part is the lines that one element is for.
type part struct {
	element string
	lines   []Line
}

// maxValues is how many values of no kind are still written one by one.
const maxValues = 8

// column makes elements for one argument of lines.
func column(lines []Line, at int) (parts []part, reason string) {
	before := prefix(lines[0].Argv[at])
	byKind := map[string][]Line{}
	for _, l := range lines {
		k := kindOf(l.Argv[at][len(before):])
		byKind[k] = append(byKind[k], l)
	}
	// A column with a name in it is one of names, whatever words and numbers are among them.
	if named := byKind["name"]; len(named) > 0 {
		named = append(append(named, byKind["word"]...), byKind["int"]...)
		delete(byKind, "word")
		delete(byKind, "int")
		byKind["name"] = named
	}
	for _, kind := range kinds {
		group := byKind[kind]
		if len(group) == 0 {
			continue
		}
		values := distinct(group, at, len(before))
		hole := ""
		if len(values) > 1 || kind == "uuid" || kind == "mac" {
			hole = holeFor(kind, values, group[0].Argv[:at], group[0].Argv[0])
		}
		switch {
		case hole != "":
			parts = append(parts, part{quote(before) + hole, group})
		case len(values) > maxValues:
			return nil, "argument " + strconv.Itoa(at) + " has " + strconv.Itoa(len(values)) + " values of no common kind"
		default:
			for _, v := range values {
				var own []Line
				for _, l := range group {
					if l.Argv[at] == before+v {
						own = append(own, l)
					}
				}
				parts = append(parts, part{quote(before + v), own})
			}
		}
	}
	return parts, ""
}

// prefix is what of an argument is written: the option, or the key before an equals sign.
func prefix(arg string) string {
	i := strings.IndexByte(arg, '=')
	if i < 0 || strings.ContainsAny(arg[:i], "/:,.") {
		return ""
	}
	return arg[:i+1]
}

// kinds are what a value can be, in the order in which they are looked for.
var kinds = []string{"uuid", "mac", "ip", "cidr", "int", "path", "word", "name", "other"}

// holes are those without a parameter that a value may fit.
var holes = sync.OnceValue(func() map[string]*argv.Pattern {
	return parsed("uuid", "mac", "ip", "cidr", "int", "name", "ifname", "netns")
})

func parsed(kinds ...string) map[string]*argv.Pattern {
	m := make(map[string]*argv.Pattern)
	for _, kind := range kinds {
		p, err := argv.Parse("<" + kind + ">")
		if err != nil {
			panic(err) // a word of this package that is none of the language
		}
		m["<"+kind+">"] = p
	}
	return m
}

// fits asks the engine of ArgvFilter itself.
func fits(hole, value string) bool {
	_, ok := holes()[hole].Match([]string{value})
	return ok
}

func kindOf(value string) string {
	for _, kind := range []string{"uuid", "mac", "ip", "cidr", "int"} {
		if fits("<"+kind+">", value) {
			return kind
		}
	}
	switch {
	case isWord(value):
		return "word"
	case fits("<name>", value), fits("<ifname>", value):
		return "name"
	case strings.HasPrefix(value, "/") && path.Clean(value) == value && value != "/":
		return "path"
	}
	return "other"
}

// isWord says whether a value is one of a program's own words, most likely: small letters.
func isWord(value string) bool {
	for i := range len(value) {
		if c := value[i]; (c < 'a' || c > 'z') && (i == 0 || c != '_' && c != '-') {
			return false
		}
	}
	return value != ""
}

func distinct(lines []Line, at, cut int) []string {
	values := make([]string, len(lines))
	for i, l := range lines {
		values[i] = l.Argv[at][cut:]
	}
	slices.Sort(values)
	return slices.Compact(values)
}

// holeFor returns the narrowest hole that fits values of one kind, or nothing where there is none to be proposed.
func holeFor(kind string, values, before []string, program string) string {
	p, known := lint.Dangerous(program)
	runs := known && p.Power == "shell"
	switch kind {
	case "uuid", "mac", "ip", "cidr":
		return "<" + kind + ">"
	case "int":
		return intRange(values)
	case "path":
		if dir := commonFolder(values); dir != "" && !runs && !lint.SystemFolder(dir) && !strings.ContainsAny(dir, `>\,`) {
			return "<path:" + dir + ">"
		}
	case "name":
		for _, hole := range names(before) {
			if hole == "<name>" && runs {
				continue
			}
			if !slices.ContainsFunc(values, func(v string) bool { return !fits(hole, v) }) {
				return narrower(hole, values)
			}
		}
	}
	return ""
}

// intRange spans the numbers that were seen.
func intRange(values []string) string {
	lo, hi := int64(1<<63-1), int64(0)
	for _, v := range values {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return ""
		}
		lo, hi = min(lo, n), max(hi, n)
	}
	return "<int:" + strconv.FormatInt(lo, 10) + "-" + strconv.FormatInt(hi, 10) + ">"
}

// commonFolder is the deepest folder above all paths.
func commonFolder(values []string) string {
	dir := path.Dir(values[0])
	for _, v := range values[1:] {
		for dir != "/" && !strings.HasPrefix(v, dir+"/") {
			dir = path.Dir(dir)
		}
	}
	if dir == "/" {
		return ""
	}
	return dir
}

// networkPrograms take interfaces by their names.
var networkPrograms = []string{"ip", "tc", "bridge", "ethtool", "brctl", "arping", "tcpdump", "iw", "ovs-vsctl", "ovs-ofctl", "dhclient", "ndisc6", "ifconfig"}

// names returns the holes for names that may be meant behind some arguments, the narrowest first.
func names(before []string) []string {
	program := before[0][strings.LastIndexByte(before[0], '/')+1:]
	last := before[len(before)-1]
	switch {
	case !slices.Contains(networkPrograms, program):
		return []string{"<name>"}
	case program == "ip" && (last == "-n" || last == "-netns" || last == "netns" || len(before) > 2 && before[len(before)-2] == "netns"):
		return []string{"<netns>"}
	}
	return []string{"<ifname>", "<name>"}
}

// narrower puts what all values begin with before the hole: tap<int:0-7>, qr-<name>.
func narrower(hole string, values []string) string {
	same := values[0]
	for _, v := range values[1:] {
		n := 0
		for n < len(same) && n < len(v) && same[n] == v[n] {
			n++
		}
		same = same[:n]
	}
	letters := strings.TrimRight(same, "0123456789")
	rests := make([]string, len(values))
	numbers := letters != ""
	for i, v := range values {
		rests[i] = v[len(letters):]
		numbers = numbers && fits("<int>", rests[i])
	}
	if numbers {
		return letters + intRange(rests)
	}
	cut := strings.LastIndexAny(same, "-_.") + 1
	if cut < 2 {
		return hole
	}
	for _, v := range values {
		if !fits("<name>", v[cut:]) {
			return hole
		}
	}
	return same[:cut] + "<name>"
}
