package daemon_test

import (
	"context"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/daemon"
)

// The whole of a helper's main: it starts with one end of a socketpair as its standard input, which client.Start gives it.
func Example() {
	var (
		mounts = privsep.NewContext("mounts", privsep.CAP_SYS_ADMIN) // a package that both sides import
		usage  = privsep.NewEntrypoint[string, uint64](mounts, "usage")
	)
	d := daemon.New(daemon.Options{Context: mounts})
	daemon.Handle(d, usage, func(ctx context.Context, path string) (uint64, error) {
		daemon.Log(ctx).Info("asked", "path", path) // in the client's logger
		return uint64(len(path)), nil
	})
	d.Main()
}
