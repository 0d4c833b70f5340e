package lockutils_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/lockutils"
)

// osloWaits returns how long an oslo service waits for a lock that four of our processes take in a loop.
func osloWaits(t *testing.T, mode string) time.Duration {
	t.Helper()
	folder, _ := newCounter(t)
	var loops []*exec.Cmd
	for range 4 {
		loops = append(loops, testenv.Child(t, "hot", folder, mode))
	}
	for _, cmd := range loops {
		startHolder(t, cmd)
	}
	out, err := exec.Command(python, "-c", `
import sys, time
from oslo_concurrency import lockutils
start = time.monotonic()
with lockutils.lock("bridge", external=True, lock_path=sys.argv[1], do_log=False):
    print(time.monotonic() - start)
`, folder).Output()
	if err != nil {
		t.Fatal(err)
	}
	took, err := time.ParseDuration(string(out[:len(out)-1]) + "s")
	if err != nil {
		t.Fatal(err)
	}
	return took
}

func TestPolite(t *testing.T) {
	needPython(t)
	for range 3 {
		took := osloWaits(t, "polite")
		t.Logf("oslo waited %v for four polite loops", took)
		if took > 4*time.Second {
			t.Errorf("oslo waited %v", took)
		}
	}
}

// hotChild holds a lock for a millisecond at a time, for as long as its input is open.
func hotChild(args []string) error {
	s := &lockutils.Set{Folder: args[0], Names: lockutils.Oslo, Polite: args[1] == "polite"}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	said := false
	for ctx.Err() == nil {
		err := s.Do(ctx, "bridge", func(context.Context) error {
			time.Sleep(time.Millisecond)
			return nil
		})
		if err != nil && ctx.Err() == nil {
			return err
		}
		if !said {
			fmt.Println("held")
			said = true
		}
	}
	return nil
}
