package daemon_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/confine"
	"github.com/privhelper/privhelper/privsep/daemon"
	"github.com/privhelper/privhelper/privsep/daemon/rootwrap"
)

var (
	ours   = privsep.NewContext("ours")
	theirs = privsep.NewContext("theirs")
	length = privsep.NewEntrypoint[string, int](ours, "length")
	width  = privsep.NewEntrypoint[string, int](theirs, "width")
)

// A mistake in a program's wiring ends it where it was made.
func TestWiring(t *testing.T) {
	count := func(_ context.Context, s string) (int, error) { return len(s), nil }
	for name, c := range map[string]struct {
		wire func()
		want string
	}{
		"a user beside commands": {func() {
			load := func() (*host.Loaded, error) { return &host.Loaded{}, nil }
			daemon.New(daemon.Options{User: &confine.User{UID: 1}, Commands: rootwrap.New(rootwrap.Options{Load: load})})
		}, "user ="},
		"two handlers": {func() {
			d := daemon.New(daemon.Options{Context: ours})
			daemon.Handle(d, length, count)
			daemon.Handle(d, length, count)
		}, "length"},
		"another's entrypoint": {func() {
			daemon.Handle(daemon.New(daemon.Options{Context: ours}), width, count)
		}, "width"},
	} {
		func() {
			defer func() {
				if said := fmt.Sprint(recover()); !strings.Contains(said, c.want) {
					t.Errorf("%s: %s, want a word of %s", name, said, c.want)
				}
			}()
			c.wire()
		}()
	}
	if err := daemon.New(daemon.Options{Context: ours}).Serve(context.Background(), nil); err == nil || !strings.Contains(err.Error(), "no handler for entrypoint ours.length") {
		t.Errorf("without its handler: %v", err)
	}
}
