package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
)

// maxGrowth is how much more memory is held after ten times as many calls.
const maxGrowth = 1024 // KiB

// measure says what this process holds: as it is, or after garbage was given back, so that what remains is held by
// somebody. Where nobody collects, Go lets a heap of any program grow to 4 MiB first, once.
func measure(collect bool) (u usageReply, err error) {
	if collect {
		debug.FreeOSMemory()
	}
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return u, err
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return u, err
	}
	_, rss, found := strings.Cut(string(status), "\nVmRSS:")
	if _, err := fmt.Sscan(rss, &u.KiB); err != nil || !found {
		return u, fmt.Errorf("VmRSS: %v", err)
	}
	u.Files = len(list)
	return u, nil
}

// growth is what the two sides held earlier and later.
type growth struct{ Client, Helper [2]usageReply }

// TestLeaksNothing: between 1,000 and 10,000 calls of 64 goroutines, and between 100 and 1,000 commands of 8, neither
// side holds more open files, nor more memory: of the calls with all the garbage they made, of the commands without. The
// client is a process of its own, so that no other test is measured.
func TestLeaksNothing(t *testing.T) {
	if raceDetector {
		t.Log("built with -race: open files are judged, memory is not")
	}
	for _, what := range []string{"calls", "commands"} {
		t.Run(what, func(t *testing.T) {
			cmd := testenv.Child(t, "caller")
			cmd.Args = append(cmd.Args, cmd.Path, what)
			var g growth
			if err := json.Unmarshal(testenv.Output(t, cmd), &g); err != nil {
				t.Fatal(err)
			}
			for side, u := range map[string][2]usageReply{"client": g.Client, "helper": g.Helper} {
				t.Logf("%s: %d open files and %d KiB, then %d and %d KiB", side, u[0].Files, u[0].KiB, u[1].Files, u[1].KiB)
				if u[1].Files > u[0].Files {
					t.Errorf("%s: %d open files became %d", side, u[0].Files, u[1].Files)
				}
				// The race detector keeps a shadow of all memory that ever was: its figure says nothing. Nor does that of a
				// machine whose processors are wanted by others: calls pile up there that elsewhere follow each other.
				if more := u[1].KiB - u[0].KiB; more > maxGrowth && !raceDetector && testenv.Alone() {
					t.Errorf("%s: %d KiB more", side, more)
				}
			}
		})
	}
}

// caller is a service that makes many calls, or runs many commands, and writes what it and its helper held early and late.
func caller(args []string) error {
	program, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	var l client.Launcher = &client.Direct{Path: program, Args: []string{"helper-for-all"}}
	if os.Geteuid() != 0 {
		l = &client.UserNamespace{Path: program, Args: []string{"helper-for-all"}}
	}
	ctx := context.Background()
	c, err := client.Start(ctx, client.Config{Launcher: l, Contexts: []*privsep.Context{net}})
	if err != nil {
		return err
	}
	defer c.Close()
	one, goroutines, early, late, collect := oneCall, 64, 1000, 10000, false
	if args[1] == "commands" {
		one, goroutines, early, late, collect = oneCommand, 8, 100, 1000, true
	}
	var g growth
	// The client's garbage, of which 10,000 calls are the first to make enough for a collection, is not held. The helper is
	// measured with its own, which it bounds.
	hold := func() (client, helper usageReply, err error) {
		if client, err = measure(true); err == nil {
			helper, err = usage.Call(ctx, c, collect)
		}
		return client, helper, err
	}
	for i, n := range []int{early, late - early} {
		err := many(goroutines, n, func(i int) error {
			// Early and late the collector runs under load, some times: what it needs itself, half a MiB, is not the commands'.
			if collect && i%(early/10) == 0 {
				if _, _, err := hold(); err != nil {
					return err
				}
			}
			return one(ctx, c, i)
		})
		if err != nil {
			return err
		}
		if g.Client[i], g.Helper[i], err = hold(); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(g)
}

// many does something n times in so many goroutines, and returns the first error.
func many(goroutines, n int, do func(i int) error) (err error) {
	var group sync.WaitGroup
	var once sync.Once
	next := make(chan int)
	for range goroutines {
		group.Go(func() {
			for i := range next {
				if e := do(i); e != nil {
					once.Do(func() { err = e })
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	group.Wait()
	return err
}

// oneCall is every 64th time one with a file in both directions.
func oneCall(ctx context.Context, c *client.Client, i int) error {
	if i%64 > 0 {
		_, err := pid.Call(ctx, c, privsep.Void{})
		return err
	}
	f, err := echo.Call(ctx, c, privsep.File{File: os.Stdin})
	if err != nil {
		return err
	}
	return f.Close()
}

func oneCommand(ctx context.Context, c *client.Client, i int) error {
	cmd := c.CommandContext(ctx, "sh", "-c", "cat; echo error >&2")
	cmd.Stdin = strings.NewReader("input")
	if out, err := cmd.CombinedOutput(); err != nil || !bytes.Equal(out, []byte("inputerror\n")) {
		return fmt.Errorf("command %d: %q, %w", i, out, err)
	}
	return nil
}
