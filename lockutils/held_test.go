package lockutils_test

import (
	"context"
	"errors"
	"os/exec"
	"testing"
	"time"

	"github.com/privhelper/privhelper/lockutils"
)

// An engine outside the package, whose locks can be lost.
func TestLost(t *testing.T) {
	released := 0
	lost := make(chan struct{})
	grant := lockutils.Grant{Name: "a", Path: "/locks/a", Waited: time.Second, Token: 42, Lost: lost, Release: func() error { released++; return nil }}
	held := lockutils.NewHeld(t.Context(), grant)
	if held.Token() != 42 || held.Name != "a" || held.Path != "/locks/a" || held.Waited != time.Second {
		t.Errorf("%+v", held)
	}
	ctx := held.Context()
	if ctx.Err() != nil {
		t.Fatal("it has ended before")
	}
	close(lost)
	<-held.Lost()
	<-ctx.Done()
	if !errors.Is(context.Cause(ctx), lockutils.ErrLost) {
		t.Errorf("cause: %v", context.Cause(ctx))
	}
	if err := held.AddTo(exec.Command("true")); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("AddTo: %v", err)
	}
	if err := held.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := held.Unlock(); !errors.Is(err, lockutils.ErrNotHeld) || released != 1 {
		t.Errorf("the second: %v; released %d times", err, released)
	}

	// A ctx of a lock that was never lost ends nothing, and leaves no goroutine after Unlock.
	grant.Lost = make(chan struct{})
	held = lockutils.NewHeld(t.Context(), grant)
	ctx = held.Context()
	if err := held.Unlock(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, "no goroutine is left", func() bool { return goroutinesIn("lockutils.(*Held).Context.func1") == 0 })
	if ctx.Err() != nil {
		t.Error("Unlock ended the ctx")
	}
}
