package lockutils_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/lockutils"
)

// orderChild starts up, says so, and when its input says go takes a fair lock and appends its number to a file.
func orderChild(args []string) error {
	folder, log, number := args[0], args[1], args[2]
	s := &lockutils.Set{Folder: folder, Fair: true}
	fmt.Println("ready")
	if _, err := io.ReadFull(os.Stdin, make([]byte, 1)); err != nil {
		return err
	}
	held, err := s.Lock(context.Background(), "bridge")
	if err != nil {
		return err
	}
	f, err := os.OpenFile(log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(f, number); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return held.Unlock()
}

// 30 processes that come 30 ms apart are served in the order in which they came, though one of them is killed while it
// waits: 20 times of 20.
func TestFairOrder(t *testing.T) {
	runs := 20
	if testing.Short() {
		runs = 2
	}
	template := testenv.Child(t, "order")
	for run := range runs {
		t.Run(fmt.Sprint(run), func(t *testing.T) {
			t.Parallel()
			fairRun(t, template, run)
		})
	}
}

func fairRun(t *testing.T, template *exec.Cmd, run int) {
	t.Helper()
	folder, log := newCounter(t)
	if err := os.WriteFile(log, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	first := &lockutils.Set{Folder: folder, Fair: true}
	held, err := first.Lock(t.Context(), "bridge")
	if err != nil {
		t.Fatal(err)
	}
	const count = 30
	victim := 3 + run%(count-6)
	type waiter struct {
		*exec.Cmd
		in io.WriteCloser
	}
	var waiters []waiter
	for i := range count {
		cmd := exec.Command(template.Path, folder, log, fmt.Sprint(i))
		cmd.Env, cmd.Stderr = template.Env, os.Stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waiters = append(waiters, waiter{cmd, in})
		t.Cleanup(func() {
			if cmd.ProcessState == nil {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
			}
		})
		wantLine(t, out, "ready")
	}
	// They come 30 ms apart, each when the one before is in the line, or a loaded machine would decide the order.
	side := filepath.Join(folder, ".lockutils", "bridge")
	for i, w := range waiters {
		if _, err := w.in.Write([]byte("g")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Millisecond)
		eventually(t, 20*time.Second, "it has a ticket", func() bool { return nextTicket(t, side) == uint64(i)+2 })
	}
	_ = waiters[victim].Process.Kill()
	_ = waiters[victim].Wait()
	if err := held.Unlock(); err != nil {
		t.Fatal(err)
	}
	var want []string
	for i, w := range waiters {
		if i == victim {
			continue
		}
		want = append(want, fmt.Sprint(i))
		if err := w.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(string(text)); !slices.Equal(got, want) {
		t.Errorf("run %d: served %v, want %v", run, got, want)
	}
}

// nextTicket is the number that the side file gives out next: its first eight bytes.
func nextTicket(t *testing.T, side string) uint64 {
	t.Helper()
	data, err := os.ReadFile(side)
	if err != nil {
		t.Fatal(err)
	}
	return binary.LittleEndian.Uint64(data)
}

// A fair waiter that leaves gives its place up, to nobody's harm.
func TestFairCancelled(t *testing.T) {
	folder, _ := newCounter(t)
	a := &lockutils.Set{Folder: folder, Fair: true}
	b := &lockutils.Set{Folder: folder, Fair: true}
	c := &lockutils.Set{Folder: folder, Fair: true}
	held, err := a.Lock(t.Context(), "bridge")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := c.Lock(ctx, "bridge")
		left <- err
	}()
	awaitWaiters(t, filepath.Join(folder, "bridge"), 1)
	got := make(chan error, 1)
	go func() {
		held, err := b.Lock(t.Context(), "bridge")
		if err == nil {
			err = held.Unlock()
		}
		got <- err
	}()
	awaitWaiters(t, filepath.Join(folder, ".lockutils", "bridge"), 1)
	cancel()
	eventually(t, 5*time.Second, "the next comes forward before the lock is free", func() bool {
		return kernelWaiters(t, filepath.Join(folder, ".lockutils", "bridge")) == 0
	})
	awaitWaiters(t, filepath.Join(folder, "bridge"), 1)
	if err := <-left; err == nil {
		t.Error("a cancelled wait got the lock")
	}
	if err := held.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Fatal(err)
	}
}
