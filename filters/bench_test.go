package filters_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/filters"
)

// rulesFor writes n rules as policies have them: commands of any arguments, patterns, environments, paths; and, with
// ours, one ArgvFilter among eight.
func rulesFor(n int, ours bool) string {
	var b strings.Builder
	for i := range n {
		switch i % 8 {
		case 0, 1, 2, 3:
			if ours && i%8 == 3 {
				fmt.Fprintf(&b, "r%d: ArgvFilter, cmd%d, root, link, set, <ifname>, up|down, [mtu, <int:68-9216>]\n", i, i)
				continue
			}
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

// BenchmarkDecide measures one decision of a policy of 10, 1,000 and 10,000 rules, from the arguments to the verdict, by
// the last rule of its kind, whose pattern was matched before. What the machine says of files comes from memory: how
// long a file system takes to say it, BenchmarkDecide of filters/host has. near is a refusal for one wrong
// argument, and explain the same with its reasons, which nothing waits for but the audit line and the answer.
func BenchmarkDecide(b *testing.B) {
	m := &fake{}
	for _, n := range []int{10, 1000, 10000} {
		last := n - n%8 - 8
		requests := []struct {
			name string
			argv []string
			want filters.Outcome
		}{
			{"literal", []string{fmt.Sprintf("cmd%d", last), "x"}, filters.Match},
			{"pattern", []string{fmt.Sprintf("cmd%d", last+4), "-c", "12", "/dev/mapper/a", "b"}, filters.Match},
			{"argv", []string{fmt.Sprintf("cmd%d", last+3), "link", "set", "eth0", "up", "mtu", "1500"}, filters.Match},
			{"env", []string{"env", "LC_ALL=C", "TAG=x", fmt.Sprintf("cmd%d", last+6), "b"}, filters.Match},
			{"refused", []string{"nosuchcommand", "a", "b"}, filters.Unauthorized},
			{"near", []string{fmt.Sprintf("cmd%d", last+4), "-c", "x", "/dev/mapper/a", "b"}, filters.Unauthorized},
		}
		for _, semantics := range []filters.Semantics{filters.Strict, filters.Oslo} {
			p, _, err := policy(semantics, rulesFor(n, true))
			if err != nil {
				b.Fatal(err)
			}
			for _, r := range requests {
				b.Run(fmt.Sprintf("%s/%s/%d", r.name, semantics, n), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						if v := p.Decide(m, filters.Request{Argv: r.argv}); v.Outcome != r.want {
							b.Fatal(v)
						}
					}
				})
			}
			near := filters.Request{Argv: requests[len(requests)-1].argv}
			b.Run(fmt.Sprintf("explain/%s/%d", semantics, n), func(b *testing.B) {
				for b.Loop() {
					if v := judge(p, m, near); len(v.Near) != 1 {
						b.Fatal(v)
					}
				}
			})
		}
	}
}

// BenchmarkParsePolicy measures the text of a policy becoming a Policy: rules of rootwrap's classes alone, and with
// ArgvFilters among them, whose patterns are parsed at once, and not when they are first asked.
func BenchmarkParsePolicy(b *testing.B) {
	for _, n := range []int{10, 1000, 10000} {
		for classes, ours := range map[string]bool{"rootwrap": false, "argv": true} {
			text := []byte("[Filters]\n" + rulesFor(n, ours))
			for _, semantics := range []filters.Semantics{filters.Strict, filters.Oslo} {
				b.Run(fmt.Sprintf("%s/%s/%d", classes, semantics, n), func(b *testing.B) {
					b.ReportAllocs()
					cfg := filters.Config{ExecDirs: []string{"/usr/sbin"}, Semantics: semantics}
					for b.Loop() {
						if _, _, err := filters.ParsePolicy(cfg, []filters.Source{{File: "x.filters", Text: text}}); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
