package rows

import (
	"fmt"
	"strconv"
	"time"

	"github.com/privhelper/privhelper/bench/internal/report"
)

// policy is rows 13 and 14: decisions, and loading.
func policy() []contest {
	var all []contest
	for _, kind := range []struct {
		name, what string
		most       float64
	}{{"literal", "a literal rule allows it", 300}, {"pattern", "a rule with patterns allows it", 1000}, {"refused", "none allows it", 1000}} {
		for _, rules := range []int{10, 1000, 10_000} {
			n := strconv.Itoa(rules)
			all = append(all, contest{
				row: 13, what: fmt.Sprintf("a decision among %d rules, %s", rules, kind.what), unit: report.Nanoseconds,
				limit:  nanoseconds("a look-up in a map", argv{"{}worker", "map", n}),
				ours:   nanoseconds("ours", argv{"{}worker", "decide", n, kind.name}),
				peers:  []contender{nanoseconds("oslo.rootwrap", argv{"/usr/bin/python3", "{}peers/match.py", "decide", "{}mixed-" + n, kind.name})},
				target: report.Target{Value: kind.most, Ahead: true},
			})
		}
		all = append(all, contest{
			row: 13, what: "10,000 rules by 10, " + kind.what, unit: report.Nanoseconds,
			limit:  nanoseconds("10 rules", argv{"{}worker", "decide", "10", kind.name}),
			ours:   nanoseconds("10,000 rules", argv{"{}worker", "decide", "10000", kind.name}),
			target: report.Target{Ratio: 1.5},
		})
	}
	return append(all, contest{
		row: 14, what: "loading 10,000 rules", unit: report.Microseconds,
		ours:   latency("ours", argv{"{}worker", "load", "10000"}),
		limit:  latency("reading their lines into a map", argv{"{}worker", "lines", "10000"}),
		peers:  []contender{slow("oslo.rootwrap", time.Second/2, argv{"/usr/bin/python3", "{}peers/match.py", "load", "{}mixed-10000", "-"})},
		target: report.Target{Value: 6000, Ahead: true},
	})
}
