package client_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"time"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
)

// The contract is a package of its own in earnest, which the helper's program imports too.
var (
	links  = privsep.NewContext("links", privsep.CAP_NET_ADMIN)
	setMTU = privsep.NewEntrypoint[setMTUArgs, privsep.Void](links, "set_mtu")
)

type setMTUArgs struct {
	Link string
	MTU  int
}

func Example() {
	ctx := context.Background()
	c, err := client.Start(ctx, client.Config{
		Launcher: client.Sudo("/usr/libexec/links-helper"),
		Contexts: []*privsep.Context{links},
	})
	if err != nil {
		log.Fatal(err) // with what the helper said, and the line to write into sudoers
	}
	defer c.Close()

	_, err = setMTU.Call(ctx, c, setMTUArgs{Link: "eth0", MTU: 9000})
	var call *privsep.CallError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		fmt.Println("there is no eth0")
	case errors.As(err, &call) && call.Outcome == privsep.NotSent:
		fmt.Println("the helper never saw it: it may be tried again")
	}
}

func ExampleClient_CommandContext() {
	var c *client.Client // from client.Start
	list := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		out, err := c.CommandContext(ctx, "ip", "link", "show").Output()
		if errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("policy refuses it: %w", err)
		}
		var exit *client.ExitError
		if errors.As(err, &exit) {
			return fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		fmt.Printf("%s", out)
		return err
	}
	_ = list
}
