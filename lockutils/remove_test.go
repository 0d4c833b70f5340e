package lockutils_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/privhelper/privhelper/lockutils"
)

// oslo's remove_external_lock_file lets two in. Here a file goes only when nobody holds it, and nobody waits for it:
// in the kernel, or, as Python does, by asking again and again.
func TestCleanUp(t *testing.T) {
	needPython(t)
	folder, _ := newCounter(t)
	s := &lockutils.Set{Folder: folder, Prefix: "nova", Names: lockutils.Oslo, Fair: true}
	for _, name := range []string{"idle", "held", "polled", "awaited", "young"} {
		held, err := s.Lock(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if err := held.Unlock(); err != nil {
			t.Fatal(err)
		}
		if name != "young" {
			old := time.Now().Add(-time.Hour)
			if err := os.Chtimes(held.Path, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, text := range map[string]string{"other-service": "", "nova-data": "this is no lock", ".lockutils-4711": ""} {
		path := filepath.Join(folder, name)
		old := time.Now().Add(-time.Hour)
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chtimes(path, old, old)); err != nil {
			t.Fatal(err)
		}
	}
	hold(t, folder, "nova-held")
	hold(t, folder, "nova-awaited")
	waiter := &lockutils.Set{Folder: folder, Prefix: "nova", Names: lockutils.Oslo}
	go func() { // ends with the holder, at the test's end
		if held, err := waiter.Lock(t.Context(), "awaited"); err == nil {
			_ = held.Unlock()
		}
	}()
	awaitWaiters(t, filepath.Join(folder, "nova-awaited"), 1)
	// A poller between two tries: the file is open, and not locked.
	poller := exec.Command(python, "-c", `
import sys
f = open(sys.argv[1], "a")
print("held", flush=True)
sys.stdin.read()
`, filepath.Join(folder, "nova-polled"))
	startHolder(t, poller)

	removed, err := s.CleanUp(t.Context(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(removed, []string{"nova-idle"}) {
		t.Errorf("removed %q", removed)
	}
	var left []string
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if want := []string{".lockutils", "nova-awaited", "nova-data", "nova-held", "nova-polled", "nova-young", "other-service"}; !slices.Equal(left, want) {
		t.Errorf("left are %q, want %q", left, want)
	}
	if _, err := os.Stat(filepath.Join(folder, ".lockutils", "nova-idle")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the side file is left: %v", err)
	}

	if err := s.Remove(t.Context(), "polled"); !errors.Is(err, lockutils.ErrInUse) {
		t.Errorf("Remove of a file that is polled: %v", err)
	}
	if err := s.Remove(t.Context(), "young"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(folder, "nova-young")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Remove left it: %v", err)
	}
}

// A Set that keeps nothing beside its files says also what it removed.
func TestCleanUpPlain(t *testing.T) {
	folder, _ := newCounter(t)
	s := &lockutils.Set{Folder: folder, Prefix: "a"}
	for _, prefix := range []string{"a", "b", ""} {
		other := &lockutils.Set{Folder: folder, Prefix: prefix}
		held, err := other.Lock(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		if err := held.Unlock(); err != nil {
			t.Fatal(err)
		}
	}
	removed, err := s.CleanUp(t.Context(), 0)
	if err != nil || !slices.Equal(removed, []string{"a~x"}) {
		t.Errorf("%q, %v", removed, err)
	}
	s = &lockutils.Set{Folder: folder}
	removed, err = s.CleanUp(t.Context(), 0)
	if err != nil || !slices.Equal(removed, []string{"x"}) {
		t.Errorf("%q, %v", removed, err)
	}
}
