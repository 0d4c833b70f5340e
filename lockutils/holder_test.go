package lockutils_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/lockutils"
)

// A deadline's error says who: for ours, for Python's (a record lock names its process), for flock(1).
func TestHolderNamed(t *testing.T) {
	needPython(t)
	needFlock(t)
	folder, _ := newCounter(t)
	s := &lockutils.Set{Folder: folder, Names: lockutils.Oslo}
	for peer, cmd := range map[string]*exec.Cmd{
		"ours":      testenv.Child(t, "hold", folder, "bridge"),
		"oslo":      exec.Command(python, "-c", osloHolds, folder),
		"fasteners": exec.Command(python, "-c", fastenersHolds, folder),
		"flock(1)":  exec.Command("flock", filepath.Join(folder, "bridge"), "sh", "-c", "echo held; cat"),
	} {
		before := time.Now()
		h := startHolder(t, cmd)
		after := time.Now()
		command := strings.Join(h.Args, " ")
		command = strings.Map(func(r rune) rune {
			if r == '\n' {
				return '?'
			}
			return r
		}, command[:min(120, len(command))])
		for name, lock := range map[string]func(context.Context, string) (*lockutils.Held, error){"Lock": s.Lock, "RLock": s.RLock, "TryLock": s.TryLock} {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			_, err := lock(ctx, "bridge")
			cancel()
			var w *lockutils.WaitError
			if !errors.As(err, &w) || w.Holder == nil || name != "TryLock" && !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("%s, %s: %v", peer, name, err)
			}
			if w.Holder.Pid != h.Process.Pid || w.Holder.Here || w.Holder.Command != command {
				t.Errorf("%s, %s: holder is %v", peer, name, w.Holder)
			}
			// Since when it holds the lock the kernel does not know: no time is given for that, but when the process
			// started, in hundredths of a second.
			if at := w.Holder.Started; at.Before(before.Add(-50*time.Millisecond)) || at.After(after.Add(50*time.Millisecond)) {
				t.Errorf("%s, %s: started %v, and in truth from %v to %v", peer, name, at, before, after)
			}
			if !w.Holder.Since.IsZero() || !strings.Contains(err.Error(), ", a process started "+w.Holder.Started.Format(time.DateTime)) {
				t.Errorf("%s, %s: %v", peer, name, err)
			}
		}
		h.free(t)
	}
	// In this process it is known.
	before := time.Now()
	held, err := s.Lock(t.Context(), "bridge")
	if err != nil {
		t.Fatal(err)
	}
	after := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = s.Lock(ctx, "bridge")
	var w *lockutils.WaitError
	if !errors.As(err, &w) || w.Holder == nil || !w.Holder.Here || w.Holder.Pid != os.Getpid() || w.Holder.Since.Before(before) || w.Holder.Since.After(after) {
		t.Errorf("%v", err)
	}
	if err := held.Unlock(); err != nil {
		t.Fatal(err)
	}
}
