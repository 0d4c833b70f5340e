package main

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/privhelper/privhelper/bench/contract"
	"github.com/privhelper/privhelper/bench/internal/turn"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
)

// dialing is how many connections are made at a time: a service refuses nobody for that, but has only so many processors.
const dialing = 8

// clients SOCKET N: /bin/true by one after the other of N connections to a service.
func clients(args []string) (turn.Op, error) {
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return nil, err
	}
	all, errs := make([]*client.Client, n), make(chan error, dialing)
	for first := range dialing {
		go func() {
			for i := first; i < n; i += dialing {
				c, err := client.Dial(context.Background(), args[0])
				if err != nil {
					errs <- err
					return
				}
				all[i] = c
			}
			errs <- nil
		}()
	}
	for range dialing {
		if err := <-errs; err != nil {
			return nil, err
		}
	}
	var next atomic.Uint64
	return turn.Timed(func() error { return all[next.Add(1)%uint64(n)].Command("true").Run() }), nil
}

// held N HELPER...: an entrypoint that does nothing, while N calls of another wait in the helper.
func held(args []string) (turn.Op, error) {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return nil, err
	}
	c, err := start(args[1:], contract.Bench)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	failed := make(chan error, n)
	for range n {
		go func() {
			_, err := contract.Wait.Call(ctx, c, privsep.Void{})
			failed <- err
		}()
	}
	for {
		s, err := c.Stats(ctx)
		if err != nil {
			return nil, err
		}
		if s.Running == n {
			break
		}
		select {
		case err := <-failed:
			return nil, fmt.Errorf("a call that was to wait: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	return turn.Timed(func() error {
		_, err := contract.Noop.Call(ctx, c, contract.NoopArgs{Text: "abc"})
		return err
	}), nil
}
