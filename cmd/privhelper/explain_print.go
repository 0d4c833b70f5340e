package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/internal/pyjson"
)

// A palette has what a terminal is told before a word, and after it. The zero palette has no colours.
type palette struct{ good, bad, end string }

// terminalColours are those of every terminal since the VT241.
var terminalColours = palette{"\x1b[32m", "\x1b[1;31m", "\x1b[m"}

// colours returns those for f: none but on a terminal. No environment is asked, as the program reads none.
func colours(f *os.File) palette {
	if isTerminal(int(f.Fd())) {
		return terminalColours
	}
	return palette{}
}

// A printer writes verdicts for people.
type printer struct {
	out io.Writer
	palette
}

// maxShown is how many rules are shown that came near.
const maxShown = 5

func (p printer) verdict(v filters.Verdict, argv []string, rules []*filters.Rule) {
	switch v.Outcome {
	case filters.Match:
		fmt.Fprintf(p.out, "%sallowed%s by rule %s (%s), %s:%d\n", p.good, p.end, v.Rule.Name, v.Rule.Class, v.Rule.File, v.Rule.Line)
		if v.Learned {
			fmt.Fprintf(p.out, "  %slearning%s: no rule outside of the learning file allows it (learn = allow)\n", p.bad, p.end)
		}
		p.runs(v)
		return
	case filters.NotExecutable:
		fmt.Fprintf(p.out, "rule %s (%s), %s:%d, allows it, but %s is %smissing or not executable%s\n", v.Rule.Name, v.Rule.Class,
			v.Rule.File, v.Rule.Line, quoted(v.Rule.Exec), p.bad, p.end)
	default:
		fmt.Fprintf(p.out, "%srefused%s: no rule allows it\n", p.bad, p.end)
	}
	near := nearest(v.Near)
	for i, n := range near {
		if i == maxShown {
			fmt.Fprintf(p.out, "  and %d other rules\n", len(near)-i)
			break
		}
		p.near(n, argv)
	}
	if len(near) == 0 && len(argv) > 0 && v.Rule == nil {
		fmt.Fprintf(p.out, "  no rule is for %s%s\n", quoted(argv[0]), similar(argv[0], rules))
	}
}

// runs says what a command becomes.
func (p printer) runs(v filters.Verdict) {
	if v.Kill != nil {
		fmt.Fprintf(p.out, "  the helper itself sends signal %d\n", v.Kill.Signal)
	} else {
		fmt.Fprintf(p.out, "  runs %s as %s\n", pyjson.Strings(nil, v.Command()), v.RunAs)
	}
	for _, e := range v.Env {
		fmt.Fprintf(p.out, "  with %s\n", quoted(e))
	}
	for _, it := range v.Rule.Section.Items {
		fmt.Fprintf(p.out, "  under %s = %s\n", it.Key, printable(it.Value))
	}
	for _, u := range v.Unsafe {
		fmt.Fprintf(p.out, "  %sunsafe%s: %s: strict semantics refuses this\n", p.bad, p.end, u)
	}
}

// near shows one rule that came near: why it refuses, and below that the command and the rule, argument under argument.
func (p printer) near(n filters.Near, argv []string) {
	if n.Rule == nil {
		fmt.Fprintf(p.out, "  %s\n", printable(n.Reason))
		return
	}
	fmt.Fprintf(p.out, "  near: rule %s (%s), %s:%d: %s", n.Rule.Name, n.Rule.Class, n.Rule.File, n.Rule.Line, printable(n.Reason))
	if n.Deviation != "" {
		fmt.Fprintf(p.out, " (%s)", n.Deviation)
	}
	fmt.Fprintln(p.out)
	if at := failedAt(n.Reason); at >= 0 {
		p.align(argv, patterns(n.Rule), at)
	}
}

var reasonArgument = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^argument (\d+), |^it ends after (\d+) arguments|^it has (\d+) arguments, the rule (-?\d+)`)
})

// failedAt reads from a reason which argument failed, 0 being the command's name; -1 where it says none. The reason is the
// decision's own: to judge the argument here again would be a second opinion.
func failedAt(reason string) int {
	m := reasonArgument().FindStringSubmatch(reason)
	if m == nil {
		return -1
	}
	number := func(s string) int { n, _ := strconv.Atoi(s); return n } // the pattern lets digits pass alone
	switch {
	case m[1] != "":
		return number(m[1])
	case m[2] != "":
		return number(m[2]) + 1
	}
	return max(0, min(number(m[3]), number(m[4]))) + 1
}

// nearest sorts rules by how far a command came in them.
func nearest(near []filters.Near) []filters.Near {
	near = slices.Clone(near)
	sort.SliceStable(near, func(i, j int) bool { return failedAt(near[i].Reason) > failedAt(near[j].Reason) })
	return near
}

// patterns returns what a rule has for each argument, the command's name first; nil where its elements do not stand for
// one argument each.
func patterns(r *filters.Rule) []string {
	switch r.Class {
	case "RegExpFilter", "ChainingRegExpFilter":
		return r.Args
	case "PathFilter", "ArgvFilter":
		for _, e := range r.Args {
			if r.Class == "ArgvFilter" && (strings.HasPrefix(e, "[") || strings.HasSuffix(e, "*") && !strings.HasSuffix(e, `\*`)) {
				return nil
			}
		}
		return slices.Concat([]string{r.Exec}, r.Args)
	}
	return nil
}

// align writes the command above the rule, column by column, and marks the one at which they part.
func (p printer) align(argv, patterns []string, at int) {
	var command, rule, mark strings.Builder
	for i := range max(len(argv), len(patterns), at+1) {
		word, pattern := "", ""
		if i == at {
			word, pattern = "(nothing)", "(nothing)"
		}
		if i < len(argv) {
			word = shown(argv[i])
		}
		if i < len(patterns) {
			pattern = printable(patterns[i])
		} else if patterns == nil {
			pattern = ""
		}
		width := max(utf8.RuneCountInString(word), utf8.RuneCountInString(pattern))
		begin, end := "", ""
		if i == at {
			begin, end = p.bad, p.end
			mark.WriteString(begin + strings.Repeat("^", width) + end)
		} else if i < at {
			mark.WriteString(strings.Repeat(" ", width+2))
		}
		for _, line := range []struct {
			to   *strings.Builder
			text string
		}{{&command, word}, {&rule, pattern}} {
			line.to.WriteString(begin + line.text + end + strings.Repeat(" ", width-utf8.RuneCountInString(line.text)+2))
		}
	}
	fmt.Fprintf(p.out, "      command  %s\n", strings.TrimRight(command.String(), " "))
	if patterns != nil {
		fmt.Fprintf(p.out, "      rule     %s\n", strings.TrimRight(rule.String(), " "))
	}
	fmt.Fprintf(p.out, "               %s\n", strings.TrimRight(mark.String(), " "))
}

// shown is an argument as it is, or quoted where that could mislead.
func shown(arg string) string {
	if q := quoted(arg); arg == "" || len(q) != len(arg)+2 || strings.Contains(arg, " ") {
		return q
	}
	return arg
}

// similar names programs that have rules and are spelled almost alike.
func similar(name string, rules []*filters.Rule) string {
	base := func(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }
	var found []string
	for _, r := range rules {
		if b := base(r.Exec); r.Line > 0 && b != "" && len(found) < 3 && distance(b, base(name)) <= len(b)/3 && !slices.Contains(found, b) {
			found = append(found, b)
		}
	}
	if len(found) == 0 {
		return ""
	}
	return "; there are rules for " + strings.Join(found, ", ")
}

// distance is Levenshtein's: how many bytes are to be put in, taken out or replaced. Names longer than any file's are not
// compared.
func distance(a, b string) int {
	if len(a) > 255 || len(b) > 255 {
		return len(a) + len(b)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := last
			if a[i] != b[j] {
				change++
			}
			last = row[j+1]
			row[j+1] = min(change, last+1, row[j]+1)
		}
	}
	return row[len(b)]
}
