package main

import (
	"os"

	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/privsep/daemon"
	root "github.com/privhelper/privhelper/privsep/daemon/rootwrap"
)

// serve is `privhelper daemon`: a root helper for one client, on standard input.
func serve(args []string) int {
	f, err := parseFlags(args, "--config")
	if err == nil && len(f.args) > 0 {
		return fail(exitNoCommand, "daemon: takes no command: its client sends them")
	}
	if err != nil {
		return fail(exitNoCommand, "daemon: %v", err)
	}
	commands := root.New(root.Options{
		Load:  func() (*host.Loaded, error) { return host.Load(f.config, host.Options{Handed: daemon.Handed()}) },
		Audit: os.Stderr,
	})
	daemon.New(daemon.Options{Commands: commands}).Main()
	return 0
}
