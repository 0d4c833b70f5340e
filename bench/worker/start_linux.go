package main

import (
	"context"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/bench/contract"
	"github.com/privhelper/privhelper/bench/internal/turn"
)

// startHelper HELPER ARGUMENT...: from its start to its first answer, with nothing in between. Its end is not measured.
func startHelper(args []string) (turn.Op, error) {
	return turn.Afterwards(func() (end func() error, err error) {
		c, err := start(args, contract.Bench)
		if err != nil {
			return nil, err
		}
		_, err = contract.Noop.Call(context.Background(), c, contract.NoopArgs{Text: "abc"})
		return c.Close, err
	}), nil
}

// startBare PROGRAM...: the same of a program that answers each byte on its standard input, a socket.
func startBare(args []string) (turn.Op, error) {
	return turn.Afterwards(func() (end func() error, err error) {
		answer, end, err := bare(args)
		if err != nil {
			return nil, err
		}
		return end, answer()
	}), nil
}

// callBare PROGRAM...: one such program, and a byte.
func callBare(args []string) (turn.Op, error) {
	answer, _, err := bare(args)
	return turn.Timed(answer), err
}

// bare starts a program with one end of a socketpair as its standard input.
func bare(args []string) (answer, end func() error, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin = theirs
	err = cmd.Start()
	theirs.Close()
	one := make([]byte, 1)
	answer = func() error {
		if _, err := ours.Write(one); err != nil {
			return err
		}
		_, err := ours.Read(one)
		return err
	}
	end = func() error {
		ours.Close()
		return cmd.Wait()
	}
	return answer, end, err
}
