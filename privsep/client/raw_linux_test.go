package client_test

import (
	"testing"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
	"github.com/privhelper/privhelper/privsep/command"
)

// runRaw asks for a command as a client would that does not look at what it passes.
func runRaw(t *testing.T, c *client.Client, stdout privsep.File) (command.Result, error) {
	t.Helper()
	return command.Run.Call(t.Context(), c, command.Request{Argv: []string{"sh", "-c", "true"}, Stdout: stdout})
}
