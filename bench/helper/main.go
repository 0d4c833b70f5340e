// Command helper is the root helper that is measured: the entrypoints of package contract and, where it is called with a
// configuration, filtered commands.
//
//	helper [CONFIGURATION]
package main

import (
	"context"
	"io"
	"os"

	"github.com/privhelper/privhelper/bench/contract"
	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/daemon"
	"github.com/privhelper/privhelper/privsep/daemon/rootwrap"
)

func main() {
	opt := daemon.Options{Context: contract.Bench, Slots: 1 << 14} // 10,000 calls that wait must leave some free
	if len(os.Args) > 1 {
		opt.Commands = rootwrap.New(rootwrap.Options{
			Load:  func() (*host.Loaded, error) { return host.Load(os.Args[1], host.Options{}) },
			Audit: io.Discard,
		})
	}
	d := daemon.New(opt)
	daemon.Handle(d, contract.Noop, func(_ context.Context, a contract.NoopArgs) (contract.NoopArgs, error) { return a, nil })
	daemon.Handle(d, contract.Wait, func(ctx context.Context, _ privsep.Void) (privsep.Void, error) {
		<-ctx.Done()
		return privsep.Void{}, ctx.Err()
	})
	d.Main()
}
