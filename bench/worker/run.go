package main

import (
	"context"

	"github.com/privhelper/privhelper/bench/internal/turn"
	"github.com/privhelper/privhelper/processutils"
)

// run PROGRAM: a command by processutils.
func run(args []string) (turn.Op, error) {
	ctx, cmd := context.Background(), processutils.Command(args[0])
	return turn.Timed(func() error {
		_, err := processutils.Local{}.Run(ctx, cmd)
		return err
	}), nil
}
