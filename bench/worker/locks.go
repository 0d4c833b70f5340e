package main

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/gofrs/flock"

	"github.com/privhelper/privhelper/bench/internal/turn"
	"github.com/privhelper/privhelper/lockutils"
)

// lock FOLDER: a lock between processes that nobody else wants.
func lock(args []string) (turn.Op, error) {
	s := &lockutils.Set{Folder: filepath.Clean(args[0])}
	ctx := context.Background()
	return turn.Timed(func() error {
		held, err := s.Lock(ctx, "bench")
		if err != nil {
			return err
		}
		return held.Unlock()
	}), nil
}

// gofrs FILE: a lock between processes by gofrs/flock.
func gofrs(args []string) (turn.Op, error) {
	return turn.Timed(func() error {
		f := flock.New(args[0])
		if got, err := f.TryLock(); err != nil || !got {
			return fmt.Errorf("got it: %v, %w", got, err)
		}
		return f.Unlock()
	}), nil
}

// key: a lock by name within this process.
func key([]string) (turn.Op, error) {
	var k lockutils.Keys
	ctx := context.Background()
	return turn.Batch(1000, func() error {
		held, err := k.Lock(ctx, "bench")
		if err != nil {
			return err
		}
		return held.Unlock()
	}), nil
}

// mutex: a sync.Mutex, the least that a lock can be.
func mutex([]string) (turn.Op, error) {
	var mu sync.Mutex
	return turn.Batch(1000, func() error {
		mu.Lock()
		defer mu.Unlock()
		return nil
	}), nil
}
