package main

import (
	"fmt"
	"os"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
)

// check is `privhelper check`: it reads what the daemon would read, and judges it as the daemon would, without root.
func check(args []string) int {
	f, err := parseFlags(args, "--config --untrusted-files")
	if err == nil && len(f.args) > 0 {
		err = fmt.Errorf("takes no command")
	}
	if err != nil {
		return fail(exitNoCommand, "check: %v", err)
	}
	if err := giveUpRoot(); err != nil {
		return fail(exitBadConfig, "check: %v", err)
	}
	loaded, err := host.Load(f.config, host.Options{UntrustedFiles: f.untrusted})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitBadConfig
	}
	for _, w := range loaded.Warnings {
		fmt.Printf("%s\n", w)
	}
	if !loaded.Config.HasCapabilities {
		fmt.Printf("%s: no capabilities option: commands that run as root keep every capability that the helper was started with\n", f.config)
	}
	asRoot := 0
	for _, r := range loaded.Policy.Rules() {
		if r.RunAs == "root" || r.RunAs == "0:0" {
			asRoot++
		}
	}
	if loaded.Config.HasCapabilities && asRoot > 0 {
		fmt.Printf("%s: uid0-owns-files: %d rules run as root; whatever their capabilities, they may write files that root owns\n", f.config, asRoot)
	}
	if loaded.Config.Semantics == filters.Oslo {
		fmt.Printf("%s: semantics = oslo: commands are accepted that oslo.rootwrap should have refused; explain names them\n", f.config)
	}
	fmt.Printf("%s: %d files, %d rules, semantics %s, policy %s\n", f.config, len(loaded.Files), len(loaded.Policy.Rules()),
		loaded.Config.Semantics, loaded.Policy.Hash())
	return 0
}
