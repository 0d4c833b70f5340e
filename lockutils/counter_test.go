package lockutils_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/lockutils"
)

// The counters that break when two hold: a number in a file is read, kept for a moment, and written back plus one. Every
// peer does the same with the same file.

// bump adds one to the number in the file, as nobody could who is not alone.
func bump(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("somebody else was writing: %w", err)
	}
	time.Sleep(50 * time.Microsecond) // others get a chance to do wrong
	return os.WriteFile(path, []byte(strconv.Itoa(n+1)), 0o644)
}

// countJob is what a child that counts is told.
type countJob struct {
	Folder, Counter, Name string
	Rounds                int
	Oslo, Fair, Polite    bool
	FlockOnly             bool
	Shared                int    // every so many rounds are shared ones, which only read
	AtEnd                 string // what the holder does last in its round: "unlink" or "rename" the file
	CancelEach            bool   // every round begins with waits that are cancelled
}

func (j countJob) set() *lockutils.Set {
	s := &lockutils.Set{Folder: j.Folder, Fair: j.Fair, Polite: j.Polite}
	if j.Oslo {
		s.Names = lockutils.Oslo
	}
	if j.FlockOnly {
		s.Engine = lockutils.FlockOnly
	}
	return s
}

func countChild(args []string) error {
	var j countJob
	if err := json.Unmarshal([]byte(args[0]), &j); err != nil {
		return err
	}
	return j.count(j.set())
}

func (j countJob) count(s *lockutils.Set) error {
	for round := range j.Rounds {
		if j.CancelEach {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(round%7)*100*time.Microsecond)
			held, err := s.Lock(ctx, j.Name)
			cancel()
			switch {
			case err == nil:
				if err := held.Unlock(); err != nil {
					return err
				}
			case !errors.Is(err, context.DeadlineExceeded):
				return err
			}
		}
		if j.Shared > 0 && round%j.Shared == 0 {
			if err := j.read(s); err != nil {
				return err
			}
		}
		held, err := s.Lock(context.Background(), j.Name)
		if err != nil {
			return err
		}
		if err := bump(j.Counter); err != nil {
			return err
		}
		switch j.AtEnd {
		case "unlink":
			err = os.Remove(held.Path)
		case "rename":
			err = os.Rename(held.Path, fmt.Sprintf("%s.%d.%d", held.Path, os.Getpid(), round))
		}
		if err != nil {
			return err
		}
		if err := held.Unlock(); err != nil {
			return err
		}
	}
	return nil
}

// read looks twice while it shares the lock: a writer that was let in shows as a difference.
func (j countJob) read(s *lockutils.Set) error {
	held, err := s.RLock(context.Background(), j.Name)
	if err != nil {
		return err
	}
	before, err := os.ReadFile(j.Counter)
	if err != nil {
		return err
	}
	time.Sleep(100 * time.Microsecond)
	after, err := os.ReadFile(j.Counter)
	if err != nil {
		return err
	}
	if string(before) != string(after) {
		return fmt.Errorf("a writer came in among readers: %s, then %s", before, after)
	}
	return held.Unlock()
}

// newCounter makes a folder for locks and a counter beside it.
func newCounter(t testing.TB) (folder, counter string) {
	t.Helper()
	dir := t.TempDir()
	folder, counter = filepath.Join(dir, "locks"), filepath.Join(dir, "counter")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(counter, []byte("0"), 0o644); err != nil {
		t.Fatal(err)
	}
	return folder, counter
}

func wantCount(t testing.TB, counter string, want int) {
	t.Helper()
	text, err := os.ReadFile(counter)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(text)); got != strconv.Itoa(want) {
		t.Errorf("counter is %s, want %d: two held the lock at once", got, want)
	}
}

func (j countJob) child(t testing.TB) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	return testenv.Child(t, "count", string(text))
}

// runAll starts all commands, waits for all, and fails the test with what failed.
func runAll(t testing.TB, cmds ...*exec.Cmd) {
	t.Helper()
	outs := make([]strings.Builder, len(cmds))
	for i, cmd := range cmds {
		cmd.Stdout, cmd.Stderr = &outs[i], &outs[i]
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if cmd.ProcessState == nil { // left by a failure above
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
			}
		})
	}
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %v\n%s", cmd, err, outs[i].String())
		}
	}
}
