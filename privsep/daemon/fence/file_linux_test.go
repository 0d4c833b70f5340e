package fence_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/daemon/fence"
)

// A file that is no number, was cut, is missing though the fence was used, or that another may write, lets nobody pass, and
// is left as it is.
func TestBadFile(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(path string) error
		want  string
	}{
		"cut":          {func(p string) error { return os.WriteFile(p, []byte("1"), 0o600) }, `holds "1", and not a number and a newline`},
		"empty":        {func(p string) error { return os.Truncate(p, 0) }, `holds ""`},
		"zeros":        {func(p string) error { return os.WriteFile(p, []byte("\x00\x00\x00"), 0o600) }, "and not a number"},
		"two":          {func(p string) error { return os.WriteFile(p, []byte("1\n2\n"), 0o600) }, "and not a number"},
		"leading zero": {func(p string) error { return os.WriteFile(p, []byte("012\n"), 0o600) }, "and not a number"},
		"negative":     {func(p string) error { return os.WriteFile(p, []byte("-1\n"), 0o600) }, "and not a number"},
		"too great":    {func(p string) error { return os.WriteFile(p, []byte("9223372036854775807\n"), 0o600) }, "and not a number"},
		"long":         {func(p string) error { return os.WriteFile(p, []byte(strings.Repeat("1", 4096)), 0o600) }, "and not a number"},
		"removed":      {os.Remove, "no such file"},
		"a folder":     {func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o700)) }, "its owner alone writes"},
		"a FIFO":       {func(p string) error { return errors.Join(os.Remove(p), syscall.Mkfifo(p, 0o600)) }, "its owner alone writes"},
		"a link":       {func(p string) error { return errors.Join(os.Rename(p, p+"2"), os.Symlink(p+"2", p)) }, "symbolic links"},
		"for a group":  {func(p string) error { return os.Chmod(p, 0o660) }, "its owner alone writes"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t)
			f := open(t, dir, "a")
			pass, err := f.Enter(t.Context(), "a", 12)
			if err := errors.Join(err, pass.Leave()); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "a")
			if err := c.spoil(path); err != nil {
				t.Fatal(err)
			}
			before, statErr := os.Lstat(path)
			for _, f := range []*fence.Fences{f, open(t, dir, "a")} { // a helper that is started afterwards mends nothing
				_, err := f.Enter(t.Context(), "a", 13)
				var e *fence.Error
				if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
					t.Fatalf("%v, want %s", err, c.want)
				}
				if r := e.Refusal(""); r.Code != privsep.CodeFailed || strings.Contains(r.Message, dir) {
					t.Errorf("the client hears %s, %q", r.Code, r.Message)
				}
			}
			if after, err := os.Lstat(path); statErr == nil && (err != nil || !os.SameFile(before, after)) {
				t.Errorf("the file was replaced: %v", err)
			}
		})
	}
}

// What a helper that was killed left of the next number does not matter.
func TestLeftover(t *testing.T) {
	dir := folder(t)
	f := open(t, dir, "a")
	if err := os.WriteFile(filepath.Join(dir, ".a.new"), []byte("99999999999999999999999"), 0o600); err != nil {
		t.Fatal(err)
	}
	pass, err := f.Enter(t.Context(), "a", 3)
	if err := errors.Join(err, pass.Leave()); err != nil || content(t, dir, "a") != "3\n" {
		t.Errorf("%v, %q", err, content(t, dir, "a"))
	}
}

// A number that cannot be written down is no right to act.
func TestUnwritable(t *testing.T) {
	dir := folder(t)
	f := open(t, dir, "a")
	if err := os.Mkdir(filepath.Join(dir, ".a.new"), 0o700); err != nil { // whoever tries to write there fails, root too
		t.Fatal(err)
	}
	if _, err := f.Enter(t.Context(), "a", 3); !errors.Is(err, syscall.EISDIR) {
		t.Errorf("%v", err)
	}
	if content(t, dir, "a") != "0\n" {
		t.Errorf("the file holds %q", content(t, dir, "a"))
	}
}

// The folder is one that root alone writes, or who the helper becomes.
func TestFolder(t *testing.T) {
	testenv.NeedRoot(t)
	base, err := os.MkdirTemp("/var/lib", "privhelper-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	if err := os.Chmod(base, 0o755); err != nil {
		t.Fatal(err)
	}
	nobody := &fence.Owner{UID: testenv.Nobody, GID: testenv.Nobody}
	for name, c := range map[string]struct {
		make  func(path string) error
		owner *fence.Owner
		want  string // "": it is taken
	}{
		"absent":                   {func(string) error { return nil }, nil, ""},
		"absent, of another":       {func(string) error { return nil }, nobody, ""},
		"root's":                   {func(p string) error { return os.Mkdir(p, 0o755) }, nil, ""},
		"root's, for another":      {func(p string) error { return os.Mkdir(p, 0o755) }, nobody, "run chown 65534"},
		"another's":                {func(p string) error { return errors.Join(os.Mkdir(p, 0o755), os.Chown(p, 65534, 65534)) }, nil, "belongs to user nobody"},
		"a group's":                {func(p string) error { return errors.Join(os.Mkdir(p, 0o755), os.Chmod(p, 0o775)) }, nil, "is writable by group"},
		"everybody's":              {func(p string) error { return errors.Join(os.Mkdir(p, 0o755), os.Chmod(p, 0o1777)) }, nil, "is writable by everybody"},
		"a file":                   {func(p string) error { return os.WriteFile(p, nil, 0o600) }, nil, "not a folder"},
		"a link to what others do": {func(p string) error { return os.Symlink("/tmp", p) }, nil, "is writable by everybody"},
	} {
		path := filepath.Join(base, strings.ReplaceAll(name, "'", ""))
		if err := c.make(path); err != nil {
			t.Fatal(err)
		}
		f, err := fence.Open(fence.Options{Path: path, Names: []string{"a"}, Owner: c.owner})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if err != nil {
			continue
		}
		uid := uint32(0)
		if c.owner != nil {
			uid = c.owner.UID
		}
		for _, one := range []string{"", "a", ".a.lock"} {
			st, err := os.Stat(filepath.Join(path, one))
			if err != nil || st.Sys().(*syscall.Stat_t).Uid != uid || st.Mode()&0o077 != 0 && one != "" {
				t.Errorf("%s: %q is of mode %v: %v", name, one, st.Mode(), err)
			}
		}
		f.Close()
	}
}
