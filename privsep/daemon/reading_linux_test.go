package daemon_test

import (
	"context"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
	"github.com/privhelper/privhelper/privsep/daemon"
)

var (
	readings = privsep.NewContext("readings")
	spoil    = privsep.NewEntrypoint[privsep.Void, privsep.Void](readings, "spoil")
	thread   = privsep.NewEntrypoint[privsep.Void, string](readings, "thread")
	block    = privsep.NewEntrypoint[privsep.Void, privsep.Void](readings, "block")
)

// TestReading: a handler runs on the goroutine that has read its call. One that blocks holds up no other for it, and one that
// leaves its thread locked and changed takes that thread with it.
func TestReading(t *testing.T) {
	release := make(chan struct{})
	d := daemon.New(daemon.Options{Context: readings})
	daemon.Handle(d, spoil, func(context.Context, privsep.Void) (privsep.Void, error) {
		runtime.LockOSThread() // and never unlocked
		return privsep.Void{}, os.WriteFile("/proc/thread-self/comm", []byte("spoilt"), 0)
	})
	daemon.Handle(d, thread, func(context.Context, privsep.Void) (string, error) {
		name, err := os.ReadFile("/proc/thread-self/comm")
		return string(name), err
	})
	daemon.Handle(d, block, func(context.Context, privsep.Void) (privsep.Void, error) {
		<-release
		return privsep.Void{}, nil
	})
	ours, theirs := pair(t)
	served := make(chan error, 1)
	go func() { served <- d.Serve(context.Background(), theirs) }()
	c, err := client.Start(t.Context(), client.Config{Launcher: &client.Socket{File: ours}, Contexts: []*privsep.Context{readings}})
	if err != nil {
		t.Fatal(err)
	}
	var blocked sync.WaitGroup
	for range 16 {
		blocked.Go(func() {
			if _, err := block.Call(t.Context(), c, privsep.Void{}); err != nil {
				t.Error(err)
			}
		})
	}
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 50 {
				if _, err := spoil.Call(t.Context(), c, privsep.Void{}); err != nil {
					t.Error(err)
				}
				if name, err := thread.Call(t.Context(), c, privsep.Void{}); err != nil || strings.HasPrefix(name, "spoilt") {
					t.Errorf("a handler ran on a thread named %q, %v", name, err)
				}
			}
		})
	}
	callers.Wait() // while 16 handlers block
	close(release)
	blocked.Wait()
	c.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
