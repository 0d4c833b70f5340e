// Package privseptest joins a helper and its client in one process, for the tests of a service and of its handlers. It
// needs no root and confines nothing: what a handler is allowed to do is not what it would be in a helper of its own.
package privseptest

import (
	"context"
	"testing"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
	"github.com/privhelper/privhelper/privsep/daemon"
)

// Join serves d to a client in this process and returns the client. Everything between them is as in earnest: the wire,
// the open files, deadlines, records of the log. Both end with the test, which fails if the helper ends in an error.
// A helper that has ended is not started again.
func Join(t testing.TB, d *daemon.Daemon, contexts ...*privsep.Context) *client.Client {
	t.Helper()
	return JoinConfig(t, d, client.Config{Contexts: contexts})
}

// JoinConfig is Join with a Config of the test's own, whose Launcher it sets.
func JoinConfig(t testing.TB, d *daemon.Daemon, cfg client.Config) *client.Client {
	t.Helper()
	theirs, ours, err := pair()
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- d.Serve(context.Background(), theirs) }()
	cfg.Launcher = &client.Socket{File: ours}
	c, err := client.Start(context.Background(), cfg)
	if err != nil {
		t.Fatal(err, <-served)
	}
	t.Cleanup(func() {
		c.Close()
		if err := <-served; err != nil {
			t.Errorf("the helper ended: %v", err)
		}
	})
	return c
}
