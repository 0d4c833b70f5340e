// Package policies writes the policies that are measured.
package policies

import (
	"fmt"
	"strings"

	"github.com/privhelper/privhelper/filters"
)

// Config is what the policies in memory are judged by.
var Config = filters.Config{ExecDirs: []string{"/usr/sbin"}}

// Mixed is n rules as policies have them: half of them literal commands, the others with patterns, environments and paths.
func Mixed(n int) []filters.Source {
	return []filters.Source{{File: "mixed.filters", Text: []byte("[Filters]\n" + rules(n))}}
}

func rules(n int) string {
	var b strings.Builder
	for i := range n {
		switch i % 8 {
		case 0, 1, 2, 3:
			fmt.Fprintf(&b, "r%d: CommandFilter, cmd%d, root\n", i, i)
		case 4, 5:
			fmt.Fprintf(&b, "r%d: RegExpFilter, cmd%d, root, cmd%d, -c, \\d+, /dev/[a-z]+(/[a-z]+)*, .*\n", i, i, i)
		case 6:
			fmt.Fprintf(&b, "r%d: EnvFilter, env, root, LC_ALL=C, TAG=, cmd%d\n", i, i)
		case 7:
			fmt.Fprintf(&b, "r%d: PathFilter, cmd%d, root, pass, /var/lib/x%d\n", i, i, i)
		}
	}
	return b.String()
}

// Request is a command line for Mixed(n) and what is to become of it: one that a "literal" rule allows, one that a
// "pattern" allows, or one that is "refused".
func Request(n int, kind string) (argv []string, want filters.Outcome) {
	last := max(n-n%8-8, 0)
	switch kind {
	case "literal":
		return []string{fmt.Sprintf("cmd%d", last), "x"}, filters.Match
	case "pattern":
		return []string{fmt.Sprintf("cmd%d", last+4), "-c", "12", "/dev/mapper/a", "b"}, filters.Match
	}
	return []string{"nosuchcommand", "a", "b"}, filters.Unauthorized
}

// Files is how many the policy of a large service has. It has 313 rules, all but the last file's with patterns.
const (
	Files        = 22
	rulesPerFile = 15
)

// File is one file of the large policy. The last has the two that are run.
func File(i int) string {
	if i == Files-1 {
		return rule
	}
	var b strings.Builder
	b.WriteString("[Filters]\n")
	for j := range rulesPerFile - min(i/17, 1) {
		fmt.Fprintf(&b, "r%d-%d: RegExpFilter, c%d-%d, root, c%d-%d, -c, \\d+, /dev/.*\n", i, j, i, j, i, j)
	}
	return b.String()
}

const rule = "[Filters]\ntrue: CommandFilter, true, root\nhead: CommandFilter, head, root\n"
