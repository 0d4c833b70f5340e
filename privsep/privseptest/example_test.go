package privseptest_test

import (
	"context"
	"testing"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/daemon"
	"github.com/privhelper/privhelper/privsep/privseptest"
)

var (
	greeter = privsep.NewContext("greeter")
	greet   = privsep.NewEntrypoint[string, string](greeter, "greet")
)

// A service's test calls its handlers as the service does.
func ExampleJoin() {
	_ = func(t *testing.T) {
		d := daemon.New(daemon.Options{Context: greeter})
		daemon.Handle(d, greet, func(_ context.Context, name string) (string, error) { return "hello " + name, nil })
		c := privseptest.Join(t, d, greeter)
		if reply, err := greet.Call(t.Context(), c, "you"); err != nil || reply != "hello you" {
			t.Errorf("%q, %v", reply, err)
		}
	}
}
