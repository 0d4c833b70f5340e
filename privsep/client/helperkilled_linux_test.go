package client_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
)

// lostBound is the promise: within this time after its helper has died, a call has ended in an error that says so.
const lostBound = time.Second

// TestHelperKilled: the helper goes by SIGKILL while entrypoints and commands write to a file and others wait. Each call
// ends within a second, in a *privsep.CallError whose Outcome is true: what was answered ran once, what was not sent did
// not run, and nothing ran twice.
func TestHelperKilled(t *testing.T) {
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	outcomes := map[string]int{}
	var longest time.Duration
	for range rounds {
		c := start(t, client.Config{Contexts: []*privsep.Context{net}}, "helper-for-all")
		path := filepath.Join(t.TempDir(), "notes")
		notes, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		ready, theirs, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		loops := map[string]func(line string) error{
			"entrypoint": func(line string) error {
				_, err := note.Call(t.Context(), c, noteArgs{privsep.File{File: notes}, line})
				return err
			},
			"command": func(line string) error {
				cmd := c.Command("sh", "-c", "echo "+line)
				cmd.Stdout = notes
				return cmd.Run()
			},
		}
		waits := map[string]func() error{ // each writes a line when it is under way
			"waiting entrypoint": func() error {
				_, err := wait.Call(t.Context(), c, noteArgs{privsep.File{File: theirs}, "ready"})
				return err
			},
			"waiting command": func() error {
				cmd := c.Command("sh", "-c", "echo ready; exec sleep 60")
				cmd.Stdout = theirs
				return cmd.Run()
			},
			"copying command": func() error {
				cmd := c.Command("sh", "-c", "echo ready >&2; exec cat /dev/zero")
				cmd.Stdout, cmd.Stderr = struct{ io.Writer }{io.Discard}, theirs
				return cmd.Run()
			},
		}
		const each = 4
		ends := make(chan ended, 1<<16)
		var group sync.WaitGroup
		for kind, call := range waits {
			for range each {
				group.Go(func() { ends <- ended{kind, call(), time.Now()} })
			}
		}
		lines := bufio.NewReader(ready)
		for range each * len(waits) {
			if _, err := lines.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		var stop atomic.Bool
		for kind, call := range loops {
			for i := range each {
				group.Go(func() {
					for n := 0; !stop.Load(); n++ {
						line := fmt.Sprintf("%s %d/%d", kind, i, n)
						ends <- ended{line, call(line), time.Now()}
					}
				})
			}
		}
		time.Sleep(rand.N(50 * time.Millisecond)) // the time is what the test is about
		first := c.Helper().PID
		killed := time.Now()
		if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		stop.Store(true)
		group.Wait()
		close(ends)
		if second, err := pid.Call(t.Context(), c, privsep.Void{}); err != nil || second == first {
			t.Errorf("the next call: helper %d, %v", second, err)
		}
		c.Close()
		notes.Close()
		theirs.Close()
		ready.Close()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		ran := map[string]int{}
		for line := range bytes.Lines(text) {
			ran[string(bytes.TrimSpace(line))]++
		}
		for e := range ends {
			var call *privsep.CallError
			if e.err != nil && (!errors.As(e.err, &call) || !errors.Is(e.err, privsep.CodeLost)) {
				t.Errorf("%s: %v", e.line, e.err)
				continue
			}
			kind, isLoop := e.line, false
			if before, _, found := strings.Cut(e.line, "/"); found {
				kind, isLoop = strings.TrimRight(before, " 0123456789"), true
			}
			switch {
			case e.err == nil && !isLoop:
				t.Errorf("%s ended without error", e.line)
			case e.err == nil && ran[e.line] != 1, isLoop && ran[e.line] > 1, call != nil && call.Outcome == privsep.NotSent && ran[e.line] > 0:
				t.Errorf("%s ran %d times: %v", e.line, ran[e.line], e.err)
			case !isLoop && call.Outcome != privsep.Unknown:
				t.Errorf("%s: outcome %v", e.line, call.Outcome)
			}
			if call != nil { // others met the next helper, whose start they waited for
				longest = max(longest, e.at.Sub(killed))
				outcomes[kind+": "+call.Outcome.String()]++
			}
		}
	}
	t.Logf("the last call failed at most %v after its helper; %v", longest, outcomes)
	if longest > lostBound {
		t.Errorf("a call failed %v after its helper", longest)
	}
}

// ended is a call that did.
type ended struct {
	line string
	err  error
	at   time.Time
}
