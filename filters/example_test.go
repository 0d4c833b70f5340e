package filters_test

import (
	"fmt"

	"github.com/privhelper/privhelper/filters"
)

// A policy that is embedded in a program is parsed as one that is read from files; filters/host has the Machine.
func Example() {
	cfg := filters.Config{ExecDirs: []string{"/usr/sbin"}}
	policy, _, err := filters.ParsePolicy(cfg, []filters.Source{{File: "net.filters", Text: []byte(`
[Filters]
link: RegExpFilter, ip, root, ip, link, set, tap[0-9a-f]+, up|down
`)}})
	if err != nil {
		fmt.Println(err)
		return
	}
	var machine filters.Machine = &fake{}
	for _, argv := range [][]string{
		{"ip", "link", "set", "tap1f", "down"},
		{"ip", "link", "set", "tap1f", "downwards"},
	} {
		request := filters.Request{Argv: argv}
		v := policy.Decide(machine, request)
		policy.Explain(machine, request, &v)
		fmt.Println(v.Outcome, v.Command())
		for _, n := range v.Near {
			fmt.Println(n.Rule.Name, n.Reason)
		}
		_ = v.Close()
	}
	// Output:
	// match [/usr/sbin/ip link set tap1f down]
	// unauthorized []
	// link argument 4, "downwards", does not match "up|down"
}
