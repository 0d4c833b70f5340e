//go:build linux

package host_test

import (
	"fmt"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
)

// A program that carries its policy in itself asks the machine as one does that loads it from files.
func ExampleNew() {
	cfg := filters.Config{ExecDirs: []string{"/usr/bin", "/bin"}}
	policy, _, err := filters.ParsePolicy(cfg, []filters.Source{{File: "built-in.filters", Text: []byte("[Filters]\nshow: RegExpFilter, cat, root, cat, /proc/[a-z]+\n")}})
	if err != nil {
		fmt.Println(err)
		return
	}
	loaded, err := host.New(cfg, policy, host.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, path := range []string{"/proc/uptime", "/proc/../etc/shadow"} {
		v := loaded.Policy.Decide(loaded.Machine, filters.Request{Argv: []string{"cat", path}})
		fmt.Println(path, v.Outcome)
		_ = v.Close()
	}
	// Output:
	// /proc/uptime match
	// /proc/../etc/shadow unauthorized
}
