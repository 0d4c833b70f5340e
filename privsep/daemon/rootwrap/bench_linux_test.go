package rootwrap_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"
)

// BenchmarkSection starts /bin/true under rules with a section and under one without, turn by turn, and reports the median
// time of each and its ratio to that of the bare rule of the same user. What a confined thread holds must cost at most 1.15
// times the bare start; rlimits, and a network of its own, cost what they cost.
func BenchmarkSection(b *testing.B) {
	text, err := os.ReadFile("/bin/true")
	if err != nil {
		b.Fatal(err)
	}
	locks := b.TempDir()
	variants := []struct{ name, section string }{
		{"bare", ""},
		{"confined", "capabilities = CAP_NET_ADMIN\nno_new_privs = yes\numask = 077\nnice = 1\ngroups = daemon\ncwd = /usr\nenv = A=b\nstdin = no\nclients = root\n"},
		{"sandbox", "read = /usr, /etc\nwrite = /tmp\n"},
		{"sha256", fmt.Sprintf("sha256 = %x\n", sha256.Sum256(text))},
		{"lock", "lock = one\n"},
		{"timeout", "timeout = 1m\n"},
		{"rlimit", "user = root\nrlimit_nofile = 100\n"}, // root's: see docs/man/privhelper-filters.5
		{"network", "network = none\n"},
	}
	policy, sections := "", ""
	for _, v := range variants {
		policy += fmt.Sprintf("%s: ArgvFilter, /bin/true, nobody, %s\n", v.name, v.name)
		if v.section != "" {
			sections += "[" + v.name + "]\n" + v.section
		}
	}
	c := start(b, program(b), "capabilities=CAP_NET_ADMIN\nlock_path="+locks+"/locks\n", policy+sections)
	times := make([][]time.Duration, len(variants))
	for b.Loop() {
		for i, v := range variants {
			begin := time.Now()
			if err := c.Command("/bin/true", v.name).Run(); err != nil {
				b.Fatal(v.name, ": ", err)
			}
			times[i] = append(times[i], time.Since(begin))
		}
	}
	median := func(t []time.Duration) float64 {
		slices.Sort(t)
		return float64(t[len(t)/2].Microseconds())
	}
	bare := median(times[0])
	for i, v := range variants {
		m := median(times[i])
		b.ReportMetric(m, v.name+"-µs")
		if i > 0 {
			b.ReportMetric(m/bare, v.name+"/bare")
		}
	}
}
