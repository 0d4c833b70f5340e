package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/privhelper/privhelper/processutils"
	"github.com/privhelper/privhelper/processutils/privrunner"
)

// runners runs the same function here and as root: it takes a Runner, and does not know where that runs anything. With
// --root-helper the root one is that prefix, as OpenStack's services have it, where sudoers allows it more than the helper;
// a service that gave its own root up asks its helper, whose policy decides.
func (s *steps) runners(ctx context.Context) (string, error) {
	here, err := whoRuns(ctx, processutils.Local{})
	if err != nil {
		return "", err
	}
	var there string
	how := "by the helper"
	prefixed := s.rootHelper != "" && !s.wasRoot
	if prefixed {
		how = "by " + s.rootHelper
		there, err = whoRuns(ctx, processutils.Prefix{Helper: s.rootHelper})
		var refused *processutils.ExecError
		if errors.As(err, &refused) && refused.ExitCode() > 0 {
			prefixed, how = false, "by the helper, all that "+s.rootHelper+" may start"
		}
	}
	if !prefixed {
		there, err = whoRuns(ctx, privrunner.Runner{Client: s.c})
	}
	if err != nil {
		return "", err
	}
	failure, err := failing(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("id -u says %s here and %s %s; a failure shows no secret: %s", here, there, how, failure), nil
}

func whoRuns(ctx context.Context, r processutils.Runner) (string, error) {
	c := processutils.Command("id", "-u")
	c.Timeout = 10 * time.Second
	res, err := r.Run(ctx, c)
	return strings.TrimSpace(res.Stdout.String()), err
}

// failing runs a command that says its password, and fails. Shell's script is a constant; "$1" is data.
func failing(ctx context.Context) (string, error) {
	c := processutils.Shell(`echo "cannot log in with password=$1" >&2; exit 3`, "hunter2")
	c.Secrets = []string{"hunter2"}
	_, err := processutils.Local{}.Run(ctx, c)
	var failure *processutils.ExecError
	if !errors.As(err, &failure) || failure.ExitCode() != 3 || strings.Contains(failure.Error(), "hunter2") {
		return "", fmt.Errorf("it did not fail as it should: %w", err)
	}
	return failure.Error(), nil
}
