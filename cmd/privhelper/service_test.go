//go:build linux

package main_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/privhelper/privhelper/privsep/client"
)

// service is an unprivileged service: `service "PREFIX…" CONFIG CMD [ARG...]` starts the stock helper by the prefix
// command, runs one command and prints its output.
func service(args []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := client.Start(ctx, client.Config{Launcher: &client.Prefix{
		Command: strings.Fields(args[0]), Path: os.Getenv("PRIVHELPER"), Args: []string{"daemon", "--config", args[1]}}})
	if err != nil {
		return err
	}
	defer c.Close()
	out, err := c.CommandContext(ctx, args[2], args[3:]...).Output()
	if err != nil {
		return err
	}
	fmt.Printf("helper uid %d, service uid %d\n%s", c.Helper().UID, os.Getuid(), out)
	return nil
}
