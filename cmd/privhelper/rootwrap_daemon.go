package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/privsep/daemon/pymanager"
)

// rootwrapDaemon is oslo-rootwrap-daemon, for Python's oslo_rootwrap.client, in its words.
func rootwrapDaemon(name string, args []string) int {
	complain := func(code int, text string) int {
		fmt.Fprintf(os.Stderr, "%s: %s\n", name, text)
		return code
	}
	if len(args) != 1 {
		return complain(exitNoCommand, "Extra arguments to daemon")
	}
	err := pymanager.Serve(pymanager.Options{Load: func() (*host.Loaded, error) { return host.Load(args[0], host.Options{Detached: true}) }})
	var bad *filters.Error
	switch {
	case errors.As(err, &bad) && bad.Value:
		return complain(exitBadConfig, fmt.Sprintf("Incorrect value in %s: %s", args[0], bad.Msg))
	case errors.As(err, &bad):
		return complain(exitBadConfig, fmt.Sprintf("Incorrect configuration file: %s (%v)", args[0], err))
	case err != nil:
		return complain(exitBadConfig, err.Error())
	}
	return 0
}
