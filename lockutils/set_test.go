package lockutils_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/lockutils"
)

func TestUnlockTwice(t *testing.T) {
	folder, _ := newCounter(t)
	s := &lockutils.Set{Folder: folder}
	held, err := s.Lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := held.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := held.Unlock(); !errors.Is(err, lockutils.ErrNotHeld) {
		t.Errorf("the second: %v", err)
	}
	if held.Lost() != nil || held.Token() != 0 {
		t.Error("a file has no token and is not lost")
	}
	if uses := s.Snapshot(); len(uses) > 0 {
		t.Errorf("still there: %v", uses)
	}
}

// OSLO_LOCK_PATH is read when the Set is used, not before.
func TestFolderFromEnvironment(t *testing.T) {
	s := &lockutils.Set{Names: lockutils.Oslo, Prefix: "nova"}
	t.Setenv("OSLO_LOCK_PATH", "")
	if _, err := s.Lock(t.Context(), "a"); !errors.Is(err, lockutils.ErrNoFolder) {
		t.Errorf("no folder: %v", err)
	}
	folder := filepath.Join(t.TempDir(), "made", "here")
	t.Setenv("OSLO_LOCK_PATH", folder)
	held, err := s.Lock(t.Context(), "a/b")
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(folder, "nova-a_b"); held.Path != want {
		t.Errorf("path is %s, want %s", held.Path, want)
	}
	// The folder goes while the Set is in use, as tmpfiles.d or an administrator does it.
	if err := errors.Join(held.Unlock(), os.RemoveAll(folder)); err != nil {
		t.Fatal(err)
	}
	held, err = s.Lock(t.Context(), "a/b")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder is %v, %v", info, err)
	}
	if err := held.Unlock(); err != nil {
		t.Fatal(err)
	}
}

// What is no regular file is refused within a second, and never waited for.
func TestOddFiles(t *testing.T) {
	folder, _ := newCounter(t)
	make := func(name string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	make("fifo", syscall.Mkfifo(filepath.Join(folder, "fifo"), 0o600))
	make("folder", os.Mkdir(filepath.Join(folder, "folder"), 0o700))
	make("link", os.Symlink("target", filepath.Join(folder, "link")))
	make("dangling", os.Symlink("nowhere", filepath.Join(folder, "dangling")))
	make("target", os.WriteFile(filepath.Join(folder, "target"), nil, 0o600))
	socket, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(folder, "socket"), Net: "unix"})
	make("socket", err)
	defer socket.Close()
	names := []string{"fifo", "folder", "link", "dangling", "socket"}
	if os.Geteuid() == 0 {
		make("device", syscall.Mknod(filepath.Join(folder, "device"), syscall.S_IFCHR|0o600, 1<<8|3)) // /dev/null
		names = append(names, "device")
	}
	for _, engine := range []lockutils.Engine{lockutils.Everybody, lockutils.FlockOnly} {
		s := &lockutils.Set{Folder: folder, Engine: engine}
		for _, name := range names {
			for how, lock := range map[string]func(context.Context, string) (*lockutils.Held, error){
				"Lock": s.Lock, "RLock": s.RLock, "TryLock": s.TryLock,
			} {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				_, err := lock(ctx, name)
				cancel()
				var f *lockutils.FileError
				if !errors.As(err, &f) || !errors.Is(err, lockutils.ErrNotRegular) {
					t.Errorf("%s %s: %v", how, name, err)
				}
			}
		}
	}
	if _, err := os.Stat(filepath.Join(folder, "nowhere")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a link was followed: %v", err)
	}
}

func TestFolders(t *testing.T) {
	for _, c := range []struct {
		mode   fs.FileMode
		shared bool
		reason string
	}{
		{0o700, false, ""},
		{0o755, false, ""},
		{0o770, false, "chmod g-w"},
		{0o1777, false, "chmod o-w"},
		{0o1777, true, ""},
	} {
		folder := t.TempDir()
		if err := os.Chmod(folder, c.mode&0o777|(c.mode&0o1000)<<11); err != nil {
			t.Fatal(err)
		}
		s := &lockutils.Set{Folder: folder, SharedFolder: c.shared}
		held, err := s.Lock(t.Context(), "a")
		if c.reason == "" {
			if err != nil {
				t.Errorf("%o: %v", c.mode, err)
				continue
			}
			if err := held.Unlock(); err != nil {
				t.Error(err)
			}
			continue
		}
		var f *lockutils.FolderError
		if !errors.As(err, &f) || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%o: %v", c.mode, err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (&lockutils.Set{Folder: file}).Lock(t.Context(), "a"); err == nil {
		t.Error("a file was taken for a folder")
	}
}

// The mode of new files is what was asked for, whatever the umask; without one it is 0600.
func TestModes(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	folder, _ := newCounter(t)
	for mode, want := range map[fs.FileMode]fs.FileMode{0: 0o600, 0o660: 0o660, 0o666: 0o666} {
		s := &lockutils.Set{Folder: folder, Prefix: mode.String(), Mode: mode}
		held, err := s.Lock(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(held.Path); err != nil || info.Mode() != want {
			t.Errorf("Mode %o made %v, %v", mode, info.Mode(), err)
		}
		if err := held.Unlock(); err != nil {
			t.Fatal(err)
		}
	}
}

// A file of another user is locked where its mode allows it, also in a folder like /tmp, where the kernel refuses to
// open it with O_CREAT (fs.protected_regular); one that can only be read is shared, and not locked.
func TestFilesOfOthers(t *testing.T) {
	testenv.NeedRoot(t)
	folder := t.TempDir()
	for path := folder; path != os.TempDir() && path != "/"; path = filepath.Dir(path) {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(folder, 0o777|fs.ModeSticky); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]fs.FileMode{"mine": 0o600, "readable": 0o644, "open": 0o666} {
		path := filepath.Join(folder, name)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := testenv.Child(t, "others", folder)
	testenv.AsUser(t, cmd)
	if got := string(testenv.Output(t, cmd)); got != "mine: false false\nreadable: false true\nopen: true true\n" {
		t.Errorf("lock, share:\n%s", got)
	}
}

// Names that can be no file's, and those that must not be each other's.
func TestNames(t *testing.T) {
	long := strings.Repeat("é", 200)
	for _, c := range []struct {
		names        lockutils.Naming
		prefix, name string
		file         string // empty: refused
	}{
		{lockutils.Oslo, "", "a/b", "a_b"},
		{lockutils.Oslo, "", "a_b", "a_b"},
		{lockutils.Oslo, "nova", "x", "nova-x"},
		{lockutils.Oslo, "nova-", "x", "nova-x"},
		{lockutils.Oslo, "nova--", "x", "nova--x"},
		{lockutils.Oslo, "", "..", ""},
		{lockutils.Oslo, "", ".", ""},
		{lockutils.Oslo, "", "", ""},
		{lockutils.Oslo, "", "../../etc/passwd", ".._.._etc_passwd"},
		{lockutils.Oslo, "a/b", "x", ""},
		{lockutils.Oslo, "", "a\x00b", ""},
		{lockutils.Oslo, "", ".lockutils", ""},
		{lockutils.Oslo, "", long, ""},
		{lockutils.Exact, "", "a/b", "a%2Fb"},
		{lockutils.Exact, "", "a_b", "a_b"},
		{lockutils.Exact, "", "..", "%2E."},
		{lockutils.Exact, "", "a%2Fb", "a%252Fb"},
		{lockutils.Exact, "a", "b-c", "a~b-c"},
		{lockutils.Exact, "a-b", "c", "a-b~c"},
		{lockutils.Exact, "", "a~b", "a%7Eb"},
		{lockutils.Exact, "", "", ""},
		{lockutils.Exact, "", "\x00", "%00"},
	} {
		folder, _ := newCounter(t)
		s := &lockutils.Set{Folder: folder, Prefix: c.prefix, Names: c.names}
		held, err := s.Lock(t.Context(), c.name)
		if c.file == "" {
			var n *lockutils.NameError
			if !errors.As(err, &n) {
				t.Errorf("%q %q: %v", c.prefix, c.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q %q: %v", c.prefix, c.name, err)
			continue
		}
		if got := filepath.Base(held.Path); got != c.file {
			t.Errorf("%q %q is file %q, want %q", c.prefix, c.name, got, c.file)
		}
		if err := held.Unlock(); err != nil {
			t.Error(err)
		}
	}
}

// oslo: a/b and a_b were both held at once, and the inner release freed the outer's file. Here they exclude each other.
func TestOneFileTwoNames(t *testing.T) {
	folder, _ := newCounter(t)
	s := &lockutils.Set{Folder: folder, Names: lockutils.Oslo}
	held, err := s.Lock(t.Context(), "a/b")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = s.Lock(ctx, "a_b")
	var w *lockutils.WaitError
	if !errors.As(err, &w) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	if w.Holder == nil || !w.Holder.Here || w.Holder.Pid != os.Getpid() || w.Waited < 10*time.Millisecond {
		t.Errorf("holder: %+v", w)
	}
	if err := held.Unlock(); err != nil {
		t.Fatal(err)
	}
	// oslo: open and close of the lock file frees it.
	held, err = s.Lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(held.Path)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := (&lockutils.Set{Folder: folder}).TryLock(t.Context(), "a"); !errors.Is(err, lockutils.ErrBusy) {
		t.Errorf("opening and closing the file freed it: %v", err)
	}
	if err := held.Unlock(); err != nil {
		t.Fatal(err)
	}
}

func TestDisableProcessLocking(t *testing.T) {
	s := &lockutils.Set{Folder: "/nonexistent/and/not/made", DisableProcessLocking: true}
	held, err := s.Lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if held.Path != "" {
		t.Errorf("path %q", held.Path)
	}
	if _, err := s.TryLock(t.Context(), "a"); !errors.Is(err, lockutils.ErrBusy) {
		t.Errorf("not exclusive: %v", err)
	}
	if err := held.Unlock(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/nonexistent"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a folder was made")
	}
}

func TestDo(t *testing.T) {
	folder, _ := newCounter(t)
	s := &lockutils.Set{Folder: folder}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was lost")
			}
		}()
		_ = s.Do(t.Context(), "a", func(context.Context) error { panic("work") })
	}()
	want := errors.New("work failed")
	if err := s.Do(t.Context(), "a", func(context.Context) error { return want }); !errors.Is(err, want) {
		t.Error(err)
	}
	if _, err := s.TryLock(t.Context(), "a"); err != nil {
		t.Errorf("kept: %v", err)
	}
}

func TestLogger(t *testing.T) {
	folder, _ := newCounter(t)
	var text strings.Builder
	s := &lockutils.Set{Folder: folder, Logger: slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	if err := s.Do(t.Context(), "a", func(context.Context) error { return nil }); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`msg="lock acquired" name=a`, "waited=", `msg="lock released" name=a`, "held="} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
}
