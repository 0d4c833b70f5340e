package privsep_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/privhelper/privhelper/privsep"
)

// A contract: package variables that the service and its helper both link.
type SetMTUArgs struct {
	Link string `msgpack:"link"`
	MTU  int    `msgpack:"mtu"`
}

var (
	Net     = privsep.NewContext("net", privsep.CAP_NET_ADMIN)
	SetMTU  = privsep.NewEntrypoint[SetMTUArgs, privsep.Void](Net, "set_mtu")
	ErrBusy = Net.NewError("link_busy", "the link is busy")
)

// setMTU is the helper's half.
func setMTU(_ context.Context, args SetMTUArgs) (privsep.Void, error) {
	switch args.Link {
	case "eth0":
		return privsep.Void{}, nil
	case "eth1":
		return privsep.Void{}, fmt.Errorf("%s: %w", args.Link, ErrBusy)
	}
	return privsep.Void{}, fmt.Errorf("%s: %w", args.Link, fs.ErrNotExist)
}

// inProcess is a Caller for tests of a service: it runs handlers without a helper. A program has a *client.Client.
type inProcess map[string]privsep.Handler

func (c inProcess) Do(ctx context.Context, r privsep.Request) (privsep.Answer, error) {
	reply, files, err := c[r.Entrypoint].Run(ctx, r.Args, r.Files)
	if err != nil {
		return privsep.Answer{}, privsep.ErrorFrom(r.Entrypoint, err)
	}
	return privsep.Answer{Data: reply, Files: files}, nil
}

func Example() {
	c := inProcess{SetMTU.Name(): SetMTU.Bind(setMTU)}
	for _, link := range []string{"eth0", "eth1", "eth2"} {
		_, err := SetMTU.Call(context.Background(), c, SetMTUArgs{Link: link, MTU: 1500})
		fmt.Println(err, errors.Is(err, ErrBusy), errors.Is(err, fs.ErrNotExist))
	}
	// Output:
	// <nil> false false
	// net.set_mtu: eth1: the link is busy true false
	// net.set_mtu: eth2: file does not exist false true
}
