package main

import (
	"context"
	"fmt"
	"os/exec"

	"github.com/privhelper/privhelper/bench/contract"
	"github.com/privhelper/privhelper/bench/internal/turn"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
)

// start starts a helper by its command line.
func start(argv []string, contexts ...*privsep.Context) (*client.Client, error) {
	return client.Start(context.Background(), client.Config{
		Launcher: &client.Prefix{Command: argv[:1], Path: argv[1], Args: argv[2:]}, Contexts: contexts})
}

// call HELPER...: an entrypoint that does nothing.
func call(args []string) (turn.Op, error) {
	c, err := start(args, contract.Bench)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	return turn.Timed(func() error {
		reply, err := contract.Noop.Call(ctx, c, contract.NoopArgs{Text: "abc"})
		if err == nil && reply.Text != "abc" {
			err = fmt.Errorf("it answered %q", reply.Text)
		}
		return err
	}), nil
}

// command HELPER...: /bin/true by the helper, with /dev/null as its streams.
func command(args []string) (turn.Op, error) {
	c, err := start(args)
	if err != nil {
		return nil, err
	}
	return turn.Timed(func() error { return c.Command("true").Run() }), nil
}

// captured HELPER...: the same with both outputs captured.
func captured(args []string) (turn.Op, error) {
	c, err := start(args)
	if err != nil {
		return nil, err
	}
	return turn.Timed(func() error {
		_, err := c.Command("true").CombinedOutput()
		return err
	}), nil
}

// execute PROGRAM: the same by os/exec, in this process.
func execute(args []string) (turn.Op, error) {
	return turn.Timed(func() error { return exec.Command(args[0]).Run() }), nil
}
