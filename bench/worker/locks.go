package main

import (
	"context"
	"path/filepath"
	"sync"

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
