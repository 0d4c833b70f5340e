package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/bench/internal/turn"
	"github.com/privhelper/privhelper/lockutils"
)

// A locker takes one lock, and gives what gives it back.
type locker func(context.Context) (unlock func() error, err error)

// lockers are of a folder.
var lockers = map[string]func(folder string) locker{
	"ours": func(folder string) locker {
		set := &lockutils.Set{Folder: folder}
		return func(ctx context.Context) (func() error, error) {
			held, err := set.Lock(ctx, "handover")
			if err != nil {
				return nil, err
			}
			return held.Unlock, nil
		}
	},
	// What heeds its ctx asks again and again.
	"gofrs": func(folder string) locker {
		return func(ctx context.Context) (func() error, error) {
			f := flock.New(filepath.Join(folder, "handover-gofrs"))
			_, err := f.TryLockContext(ctx, gofrsPolls)
			return f.Unlock, err
		}
	},
	// What waits in the kernel heeds no ctx.
	"gofrs-blocking": func(folder string) locker {
		return func(context.Context) (func() error, error) {
			f := flock.New(filepath.Join(folder, "handover-gofrs-blocking"))
			return f.Unlock, f.Lock()
		}
	},
}

const gofrsPolls = 10 * time.Millisecond

// handOver LOCKER FOLDER: from just before a lock is given up to its taking by a process that waits for it.
func handOver(args []string) (turn.Op, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if lockers[args[0]] == nil {
		return nil, fmt.Errorf("no such locker: %s", args[0])
	}
	lock := lockers[args[0]](args[1])
	waiter := exec.Command(self, "wait", args[0], args[1])
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
	return func(int) (time.Duration, error) {
		unlock, err := lock(context.Background())
		if err != nil {
			return 0, err
		}
		if _, err := ask.Write([]byte{1}); err != nil {
			return 0, err
		}
		pause := 3 * time.Millisecond // until the other waits
		if args[0] == "gofrs" {
			pause += rand.N(gofrsPolls) // not always at the same moment of its interval
		}
		time.Sleep(pause)
		begin := monotonic()
		if err := unlock(); err != nil {
			return 0, err
		}
		var end int64
		err = binary.Read(taken, binary.NativeEndian, &end)
		return time.Duration(end - begin), err
	}, nil
}

// waitForLock LOCKER FOLDER is the process that waits: it takes the lock for each byte that it reads, and writes when it had it.
func waitForLock(args []string) error {
	lock := lockers[args[0]](args[1])
	for one := make([]byte, 1); ; {
		if _, err := os.Stdin.Read(one); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		// As services call it: its end is heeded while it waits.
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		unlock, err := lock(ctx)
		now := monotonic()
		cancel()
		if err != nil {
			return err
		}
		if err := unlock(); err != nil {
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
