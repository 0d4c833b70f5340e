package etcdlock_test

import (
	"context"
	"errors"
	"log"
	"os"

	"github.com/privhelper/privhelper/lockutils"
	"github.com/privhelper/privhelper/lockutils/etcdlock"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
	"github.com/privhelper/privhelper/processutils"
	"github.com/privhelper/privhelper/processutils/privrunner"
)

// The contract is a package of its own in earnest, which the helper's program imports too.
var (
	volumes = privsep.NewContext("volumes", privsep.CAP_SYS_ADMIN)
	attach  = privsep.NewFencedEntrypoint[string, privsep.Void](volumes, "attach", "volume")
)

// A lock between machines, and its token with every privileged act under it. The locks' URL is configuration.
func Example() {
	ctx := context.Background()
	locks, err := lockutils.Open(ctx, os.Getenv("NETSERVICE_LOCKS"), etcdlock.Scheme) // etcd://10.0.0.1:2379/netservice?ttl=10s
	if err != nil {
		log.Fatal(err)
	}
	defer locks.Close()
	helper, err := client.Start(ctx, client.Config{
		Launcher: client.Sudo("/usr/libexec/netservice-helper"),
		Contexts: []*privsep.Context{volumes},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer helper.Close()

	held, err := locks.Lock(ctx, "volume/7")
	if err != nil {
		log.Fatal(err) // who holds it, on which machine
	}
	defer held.Unlock()
	ctx = held.Context() // ends when the lock is lost

	// An entrypoint with a fence, a command of a rule with one, and commands by processutils.
	_, err = attach.Call(ctx, privsep.WithToken(helper, held.Token()), "volume/7")
	if errors.Is(err, privsep.CodeFenced) {
		log.Print("the lock was lost, another has acted under it since, and nothing was done: begin again")
		return
	}
	if err != nil {
		log.Fatal(err)
	}
	cmd := helper.CommandContext(ctx, "mount", "/dev/volume7", "/srv/volume7")
	cmd.Token = held.Token()
	if err := cmd.Run(); err != nil {
		log.Fatal(err)
	}
	root := privrunner.Runner{Client: helper, Token: held.Token()}
	if _, err := root.Run(ctx, processutils.Command("mkdir", "/srv/volume7/netservice")); err != nil {
		log.Fatal(err)
	}
}
