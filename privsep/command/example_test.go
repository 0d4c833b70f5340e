package command_test

import (
	"context"
	"fmt"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/command"
)

// What client.Cmd does for its user: a command is a call like any other.
func Example() {
	run := func(ctx context.Context, c privsep.Caller) error {
		result, err := command.Run.Call(ctx, c, command.Request{Argv: []string{"ip", "link", "show"}})
		if err == nil {
			fmt.Println(result.Rule, result.Code, result.Usage.MaxRSS)
		}
		return err // privsep.CodeDenied where no rule allows it
	}
	_ = run // with a *client.Client
	fmt.Println(command.Run.Name())
	// Output: command.run
}
