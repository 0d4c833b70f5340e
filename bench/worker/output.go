package main

import (
	"io"
	"os/exec"
	"strconv"

	"github.com/privhelper/privhelper/bench/internal/turn"
)

// chunk is how many bytes of output are measured at once.
const chunk = 256 << 20

var zeros = []string{"-c", strconv.Itoa(chunk), "/dev/zero"}

// output HELPER...: what a command by the helper writes, read from its pipe.
func output(args []string) (turn.Op, error) {
	c, err := start(args)
	if err != nil {
		return nil, err
	}
	return turn.Timed(func() error {
		cmd := c.Command("head", zeros...)
		return drain(cmd.StdoutPipe, cmd.Start, cmd.Wait)
	}), nil
}

// pipe PROGRAM: the same of a child of this process.
func pipe(args []string) (turn.Op, error) {
	return turn.Timed(func() error {
		cmd := exec.Command(args[0], zeros...)
		return drain(cmd.StdoutPipe, cmd.Start, cmd.Wait)
	}), nil
}

func drain(stdout func() (io.ReadCloser, error), start, wait func() error) error {
	r, err := stdout()
	if err != nil {
		return err
	}
	if err := start(); err != nil {
		return err
	}
	buffer, got := make([]byte, 1<<16), 0
	for err == nil {
		var n int
		n, err = r.Read(buffer)
		got += n
	}
	if err != io.EOF || got != chunk {
		return io.ErrUnexpectedEOF
	}
	return wait()
}
