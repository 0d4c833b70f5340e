// Command netservice-helper is the root helper of README's service.
package main

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/docs/example/netpriv"
	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/daemon"
	"github.com/privhelper/privhelper/privsep/daemon/rootwrap"
)

func main() {
	d := daemon.New(daemon.Options{Context: netpriv.Net, Commands: rootwrap.New(rootwrap.Options{
		Load:  func() (*host.Loaded, error) { return host.Load("/etc/netservice/rootwrap.conf", host.Options{}) },
		Audit: os.Stderr,
	})})
	daemon.Handle(d, netpriv.SetMTU, setMTU)
	d.Main() // gives up what it does not need, verifies that, and serves one client
}

// setMTU is an ordinary function: it judges what it was asked for, and does it.
func setMTU(_ context.Context, args netpriv.SetMTUArgs) (privsep.Void, error) {
	if args.MTU < 1280 || args.MTU > 9216 {
		return privsep.Void{}, fmt.Errorf("an MTU of %d: %w", args.MTU, unix.EINVAL)
	}
	request, err := unix.NewIfreq(args.Link)
	if err != nil {
		return privsep.Void{}, err
	}
	request.SetUint32(uint32(args.MTU))
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return privsep.Void{}, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	return privsep.Void{}, os.NewSyscallError("ioctl SIOCSIFMTU", unix.IoctlIfreq(fd, unix.SIOCSIFMTU, request))
}
