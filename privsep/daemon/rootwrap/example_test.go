package rootwrap_test

import (
	"os"

	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/privsep/daemon"
	"github.com/privhelper/privhelper/privsep/daemon/rootwrap"
)

// A helper of one's own that runs what policy files allow. The audit log is opened before anything is given up.
func Example() {
	load := func() (*host.Loaded, error) { return host.Load("/etc/netservice/rootwrap.conf", host.Options{}) }
	daemon.New(daemon.Options{Commands: rootwrap.New(rootwrap.Options{Load: load, Audit: os.Stderr})}).Main()
}
