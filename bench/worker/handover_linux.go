package main

import (
	"context"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/bench/internal/turn"
	"github.com/privhelper/privhelper/lockutils"
)

// handOver FOLDER: from just before a lock is given up to its taking by a process that waits for it.
func handOver(args []string) (turn.Op, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	waiter := exec.Command(self, "wait", args[0])
	waiter.Stderr = os.Stderr
	ask, err := waiter.StdinPipe()
	if err != nil {
		return nil, err
	}
	taken, err := waiter.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := waiter.Start(); err != nil {
		return nil, err
	}
	set := &lockutils.Set{Folder: args[0]}
	return func(int) (time.Duration, error) {
		held, err := set.Lock(context.Background(), "handover")
		if err != nil {
			return 0, err
		}
		if _, err := ask.Write([]byte{1}); err != nil {
			return 0, err
		}
		time.Sleep(3 * time.Millisecond) // until the other waits
		begin := monotonic()
		if err := held.Unlock(); err != nil {
			return 0, err
		}
		var end int64
		err = binary.Read(taken, binary.NativeEndian, &end)
		return time.Duration(end - begin), err
	}, nil
}

// waitForLock FOLDER is the process that waits: it takes the lock for each byte that it reads, and writes when it had it.
func waitForLock(args []string) error {
	set := &lockutils.Set{Folder: args[0]}
	for one := make([]byte, 1); ; {
		if _, err := os.Stdin.Read(one); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		// As services call it: its end is heeded while it waits.
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		held, err := set.Lock(ctx, "handover")
		now := monotonic()
		cancel()
		if err != nil {
			return err
		}
		if err := held.Unlock(); err != nil {
			return err
		}
		if err := binary.Write(os.Stdout, binary.NativeEndian, now); err != nil {
			return err
		}
	}
}

// monotonic is the clock that processes share, in nanoseconds.
func monotonic() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // it has no reason to fail
	}
	return t.Nano()
}
