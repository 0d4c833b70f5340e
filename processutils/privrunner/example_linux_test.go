package privrunner_test

import (
	"context"
	"fmt"

	"github.com/privhelper/privhelper/privsep/client"
	"github.com/privhelper/privhelper/processutils"
	"github.com/privhelper/privhelper/processutils/privrunner"
)

// addNamespace takes any Runner: a root helper's in the service, a processutilstest.Fake in its tests.
func addNamespace(ctx context.Context, root processutils.Runner, name string) error {
	_, err := processutils.Retry{Runner: root, Attempts: 3}.Run(ctx, processutils.Command("ip", "netns", "add", name))
	return err
}

func ExampleRunner() {
	_ = func(ctx context.Context) error {
		c, err := client.Start(ctx, client.Config{Launcher: client.Sudo("/usr/libexec/netservice-helper")})
		if err != nil {
			return fmt.Errorf("start the root helper: %w", err)
		}
		defer c.Close()
		return addNamespace(ctx, privrunner.Runner{Client: c}, "blue")
	}
}
