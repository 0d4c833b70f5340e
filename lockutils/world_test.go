package lockutils_test

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/gofrs/flock"

	"github.com/privhelper/privhelper/lockutils"
)

// Who keeps whom out, by tries alone: what stands in docs/locks.md.
func TestWhoExcludesWhom(t *testing.T) {
	needPython(t)
	needFlock(t)
	const waits = "\nprint('held', flush=True)\nsys.stdin.read()\n"
	for _, peer := range []struct {
		name     string
		hold     func(path string) *exec.Cmd
		try      func(path string) *exec.Cmd // exits with other than 0 where the lock is taken
		shared   bool                        // it holds the lock with others
		flock    bool                        // it is of flock(2)'s world
		tryShare bool                        // its try shares
	}{
		{name: "oslo.concurrency",
			hold: func(path string) *exec.Cmd {
				return exec.Command(python, "-c", "import sys,os\nfrom oslo_concurrency import lockutils\nl=lockutils.external_lock(os.path.basename(sys.argv[1]), lock_path=os.path.dirname(sys.argv[1]))\nl.acquire()"+waits, path)
			},
			try: func(path string) *exec.Cmd {
				return exec.Command(python, "-c", "import sys,os\nfrom oslo_concurrency import lockutils\nl=lockutils.external_lock(os.path.basename(sys.argv[1]), lock_path=os.path.dirname(sys.argv[1]))\nsys.exit(0 if l.acquire(blocking=False) else 1)", path)
			}},
		{name: "fasteners reader", shared: true, tryShare: true,
			hold: func(path string) *exec.Cmd {
				return exec.Command(python, "-c", "import sys,fasteners\nl=fasteners.InterProcessReaderWriterLock(sys.argv[1])\nl.acquire_read_lock()"+waits, path)
			},
			try: func(path string) *exec.Cmd {
				return exec.Command(python, "-c", "import sys,fasteners\nl=fasteners.InterProcessReaderWriterLock(sys.argv[1])\nsys.exit(0 if l.acquire_read_lock(blocking=False) else 1)", path)
			}},
		{name: "flock(1)", flock: true,
			hold: func(path string) *exec.Cmd { return exec.Command("flock", path, "sh", "-c", "echo held; cat") },
			try:  func(path string) *exec.Cmd { return exec.Command("flock", "-n", path, "true") }},
		{name: "flock(1) --shared", flock: true, shared: true, tryShare: true,
			hold: func(path string) *exec.Cmd { return exec.Command("flock", "-s", path, "sh", "-c", "echo held; cat") },
			try:  func(path string) *exec.Cmd { return exec.Command("flock", "-s", "-n", path, "true") }},
	} {
		t.Run(peer.name, func(t *testing.T) {
			folder, _ := newCounter(t)
			path := filepath.Join(folder, "a")
			all := &lockutils.Set{Folder: folder}
			only := &lockutils.Set{Folder: folder, Engine: lockutils.FlockOnly}

			h := startHolder(t, peer.hold(path))
			wantTry(t, "Lock beside it", all.TryLock, false)
			wantTry(t, "RLock beside it", all.TryRLock, peer.shared)
			wantTry(t, "Lock of flock alone beside it", only.TryLock, !peer.flock)
			wantTry(t, "RLock of flock alone beside it", only.TryRLock, !peer.flock || peer.shared)
			h.free(t)

			for name, c := range map[string]struct {
				lock func(context.Context, string) (*lockutils.Held, error)
				got  bool
			}{
				"Lock":                 {all.Lock, false},
				"RLock":                {all.RLock, peer.tryShare},
				"Lock of flock alone":  {only.Lock, !peer.flock},
				"RLock of flock alone": {only.RLock, !peer.flock || peer.tryShare},
			} {
				held, err := c.lock(t.Context(), "a")
				if err != nil {
					t.Fatal(err)
				}
				if got := peer.try(path).Run() == nil; got != c.got {
					t.Errorf("it tries beside our %s: %v, want %v", name, got, c.got)
				}
				if err := held.Unlock(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func wantTry(t *testing.T, what string, try func(context.Context, string) (*lockutils.Held, error), want bool) {
	t.Helper()
	held, err := try(t.Context(), "a")
	if (err == nil) != want || err != nil && !errors.Is(err, lockutils.ErrBusy) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
	if held != nil {
		if err := held.Unlock(); err != nil {
			t.Error(err)
		}
	}
}

// gofrs/flock, as other Go programs use it, and ours.
func TestGofrs(t *testing.T) {
	folder, _ := newCounter(t)
	for _, engine := range []lockutils.Engine{lockutils.Everybody, lockutils.FlockOnly} {
		s := &lockutils.Set{Folder: folder, Engine: engine}
		theirs := flock.New(filepath.Join(folder, "a"))
		if got, err := theirs.TryLock(); !got || err != nil {
			t.Fatal(got, err)
		}
		wantTry(t, "Lock beside gofrs", s.TryLock, false)
		wantTry(t, "RLock beside gofrs", s.TryRLock, false)
		if err := theirs.Unlock(); err != nil {
			t.Fatal(err)
		}
		held, err := s.Lock(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := theirs.TryLock(); got || err != nil {
			t.Error(got, err)
		}
		if err := held.Unlock(); err != nil {
			t.Fatal(err)
		}
	}
}
