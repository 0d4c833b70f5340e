package lockutils_test

import (
	"context"
	"errors"
	"os/exec"
	"testing"
	"time"

	"github.com/privhelper/privhelper/lockutils"
)

// A lock that is handed to a command is free when the command and what it started are gone, and Unlock was called:
// whichever is last.
func TestHandedToChild(t *testing.T) {
	needFlock(t)
	folder, _ := newCounter(t)
	s := &lockutils.Set{Folder: folder}
	held, err := s.Lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	// A grandchild is left behind that holds the lock when its parent is gone.
	cmd := exec.Command("/bin/sh", "-c", "exec 9<&0 0</dev/null; cat <&9 & exec echo started")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := held.AddTo(cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	wantLine(t, out, "started")
	if err := held.Unlock(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, err = s.TryLock(t.Context(), "a")
		if !errors.Is(err, lockutils.ErrBusy) {
			t.Fatalf("the lock was free while the command ran: %v", err)
		}
	}
	if err := exec.Command("flock", "-n", held.Path, "true").Run(); err == nil {
		t.Error("flock(1) got in while the command ran")
	}
	next := make(chan error, 1)
	go func() {
		held, err := s.Lock(t.Context(), "a")
		if err == nil {
			err = held.Unlock()
		}
		next <- err
	}()
	awaitWaiters(t, held.Path, 1)
	if err := in.Close(); err != nil { // the end of the grandchild
		t.Fatal(err)
	}
	if err := <-next; err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}

// A child that was not given the lock does not have it.
func TestNotHandedByAccident(t *testing.T) {
	folder, _ := newCounter(t)
	s := &lockutils.Set{Folder: folder}
	held, err := s.Lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := held.Unlock(); err != nil {
		t.Fatal(err)
	}
	held, err = s.TryLock(t.Context(), "a")
	if err != nil {
		t.Errorf("a child kept the lock: %v", err)
	} else if err := held.Unlock(); err != nil {
		t.Error(err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := held.AddTo(exec.Command("true")); !errors.Is(err, lockutils.ErrNotHeld) {
		t.Errorf("AddTo of what is not held: %v", err)
	}
}

// When the caller is done first the next in this process waits for the child, and can leave.
func TestHandedWaitCancelled(t *testing.T) {
	folder, _ := newCounter(t)
	s := &lockutils.Set{Folder: folder}
	held, err := s.Lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := held.AddTo(cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := held.Unlock(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = s.Lock(ctx, "a")
	var w *lockutils.WaitError
	if !errors.As(err, &w) || !errors.Is(err, context.DeadlineExceeded) || w.Holder == nil {
		t.Fatalf("%v", err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}
