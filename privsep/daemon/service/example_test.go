//go:build linux

package service_test

import (
	"context"
	"os"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/daemon"
	"github.com/privhelper/privhelper/privsep/daemon/service"
)

// A program that serves entrypoints of its own to the user with uid 998.
func Example() {
	net := privsep.NewContext("examplenet", privsep.CAP_NET_ADMIN)
	setMTU := privsep.NewEntrypoint[int, bool](net, "set_mtu")
	service.Main(service.Options{
		Listen: "/run/netservice/helper.sock",
		Load: func() (service.Setup, error) {
			return service.Setup{Clients: service.Clients{UIDs: []uint32{998}}, Name: "the unit of netservice"}, nil
		},
		Worker: func(*os.File) (*daemon.Daemon, error) {
			d := daemon.New(daemon.Options{Context: net})
			daemon.Handle(d, setMTU, func(context.Context, int) (bool, error) { return true, nil })
			return d, nil
		},
	})
}
