//go:build linux

package trust_test

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/internal/trust"
)

// tree makes folders and files of root's in a folder that only root can write, which /tmp is not.
func tree(t *testing.T) string {
	t.Helper()
	testenv.NeedRoot(t)
	dir, err := os.MkdirTemp("/var/lib", "privhelper-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	must(t, os.Chmod(dir, 0o755))
	must(t, os.MkdirAll(filepath.Join(dir, "etc/sub"), 0o755))
	for name, mode := range map[string]fs.FileMode{"etc/policy": 0o644, "etc/sub/policy": 0o644, "etc/prog": 0o755} {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(name), 0o600))
		must(t, os.Chmod(path, mode))
	}
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// acl is the value of system.posix_acl_access for rw-r--r-- with one named entry.
func acl(tag uint16, id uint32, perm, mask uint16) []byte {
	type entry struct {
		tag, perm uint16
		id        uint32
	}
	none := ^uint32(0)
	entries := []entry{{1, 6, none}, {4, 4, none}, {tag, perm, id}, {0x10, mask, none}, {0x20, 4, none}}
	slices.SortFunc(entries, func(a, b entry) int { return int(a.tag) - int(b.tag) }) // the kernel insists
	b := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range entries {
		b = binary.LittleEndian.AppendUint16(b, e.tag)
		b = binary.LittleEndian.AppendUint16(b, e.perm)
		b = binary.LittleEndian.AppendUint32(b, e.id)
	}
	return b
}

// TestOpen: a file of policy is opened only if nobody but root can have written it, by any way.
func TestOpen(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(t *testing.T, dir string)
		path   string
		rules  trust.Rules
		want   string // part of the error; "" opens
	}{
		{"root's own", func(*testing.T, string) {}, "etc/policy", trust.Rules{}, ""},
		{"dots", func(*testing.T, string) {}, "etc/./sub/..//policy", trust.Rules{}, ""},
		{"not there", func(*testing.T, string) {}, "etc/none", trust.Rules{}, "no such file"},
		{"below a file", func(*testing.T, string) {}, "etc/policy/x", trust.Rules{}, "not a directory"},
		{"file with a slash", func(*testing.T, string) {}, "etc/policy/", trust.Rules{}, "not a directory"},
		{"folder", func(*testing.T, string) {}, "etc/sub", trust.Rules{}, "is a folder"},
		{"owner", chown("etc/policy", 65534, 0), "etc/policy", trust.Rules{}, "etc/policy belongs to"},
		{"owner named", chown("etc/policy", 65534, 0), "etc/policy", trust.Rules{Owners: []uint32{65534}}, ""},
		{"owner of a folder", chown("etc", 65534, 0), "etc/sub/policy", trust.Rules{}, "etc belongs to"},
		{"everybody", chmod("etc/policy", 0o646), "etc/policy", trust.Rules{}, "is writable by everybody"},
		{"group", both(chown("etc/policy", 0, 4), chmod("etc/policy", 0o664)), "etc/policy", trust.Rules{}, "is writable by group"},
		{"group named", both(chown("etc/policy", 0, 4), chmod("etc/policy", 0o664)), "etc/policy", trust.Rules{Groups: []uint32{4}}, ""},
		{"group of a folder", both(chown("etc", 0, 4), chmod("etc", 0o775)), "etc/sub/policy", trust.Rules{}, "etc is writable by group"},
		{"sticky folder", chmod("etc", 0o1777), "etc/policy", trust.Rules{}, "etc is writable by everybody"},
		{"left out", chmod("etc", 0o777), "etc/policy", trust.Rules{Untrusted: true}, ""},
		{"link", symlink("sub/policy", "etc/link"), "etc/link", trust.Rules{}, ""},
		{"link to a folder", symlink("etc/sub", "sub"), "sub/policy", trust.Rules{}, ""},
		{"link up", symlink("..", "etc/sub/up"), "etc/sub/up/policy", trust.Rules{}, ""},
		{"link's owner", both(symlink("sub/policy", "etc/link"), lchown("etc/link", 65534)), "etc/link", trust.Rules{}, "etc/link belongs to"},
		{"link's folder", both(symlink("../etc/policy", "w/link"), chmod("w", 0o777)), "w/link", trust.Rules{}, "w is writable by everybody"},
		{"link's target", both(symlink("etc/policy", "link"), chmod("etc", 0o777)), "link", trust.Rules{}, "etc is writable by everybody"},
		{"absolute link", func(t *testing.T, dir string) {
			must(t, os.Symlink(filepath.Join(dir, "etc/sub"), filepath.Join(dir, "abs")))
		}, "abs/policy", trust.Rules{}, ""},
		{"loop", both(symlink("b", "a"), symlink("a", "b")), "a", trust.Rules{}, "a leads by links round in a loop"},
		{"dangling link", symlink("none", "etc/link"), "etc/link", trust.Rules{}, "etc/none, which does not exist: remove the link"},
		{"dangling folder", symlink("none", "etc/link"), "etc/link/policy", trust.Rules{}, "etc/none, which does not exist"},
		{"FIFO", fifo("etc/fifo"), "etc/fifo", trust.Rules{}, "is a FIFO"},
		{"link to a device", symlink("/dev/zero", "zero"), "zero", trust.Rules{}, "/dev/zero is writable"},
		{"link to a device, left out", symlink("/dev/zero", "zero"), "zero", trust.Rules{Untrusted: true}, "is a device"},
		{"ACL user", setACL("etc/policy", acl(2, 65534, 6, 6)), "etc/policy", trust.Rules{}, "(ACL)"},
		{"ACL user masked", setACL("etc/policy", acl(2, 65534, 6, 4)), "etc/policy", trust.Rules{}, ""},
		{"ACL user reads", setACL("etc/policy", acl(2, 65534, 4, 6)), "etc/policy", trust.Rules{}, ""},
		{"ACL user root", setACL("etc/policy", acl(2, 0, 6, 6)), "etc/policy", trust.Rules{}, ""},
		{"ACL group", setACL("etc/policy", acl(8, 4, 6, 6)), "etc/policy", trust.Rules{}, "is writable by group"},
		{"ACL group named", setACL("etc/policy", acl(8, 4, 6, 6)), "etc/policy", trust.Rules{Groups: []uint32{4}}, ""},
		{"ACL of a folder", setACL("etc", acl(2, 65534, 7, 7)), "etc/policy", trust.Rules{}, "(ACL)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := tree(t)
			test.change(t, dir)
			f, err := trust.Open(dir+"/"+test.path, test.rules)
			if err == nil {
				defer f.Close()
			}
			check(t, err, test.want)
			// The same by the folder, as policy files are read.
			d, derr := trust.OpenDir(filepath.Dir(dir+"/"+test.path), test.rules)
			if derr != nil {
				if err == nil {
					t.Errorf("OpenDir: %v", derr)
				}
				return
			}
			defer d.Close()
			g, gerr := d.Open(filepath.Base(test.path))
			if (gerr == nil) != (err == nil) && !strings.HasSuffix(test.path, "/") {
				t.Errorf("Open: %v, Dir.Open: %v", err, gerr)
			}
			if gerr == nil {
				defer g.Close()
				if text, err := io.ReadAll(g); err != nil || !strings.HasSuffix(string(text), "policy") {
					t.Errorf("%q %v", text, err)
				}
			}
		})
	}
}

func check(t *testing.T, err error, want string) {
	t.Helper()
	text := ""
	if err != nil {
		text = err.Error()
	}
	if (err == nil) != (want == "") || !strings.Contains(text, want) {
		t.Errorf("%v, want %q", err, want)
	}
}

func both(a, b func(*testing.T, string)) func(*testing.T, string) {
	return func(t *testing.T, dir string) { a(t, dir); b(t, dir) }
}

func chown(name string, uid, gid int) func(*testing.T, string) {
	return func(t *testing.T, dir string) { must(t, os.Chown(filepath.Join(dir, name), uid, gid)) }
}

func lchown(name string, uid int) func(*testing.T, string) {
	return func(t *testing.T, dir string) { must(t, os.Lchown(filepath.Join(dir, name), uid, 0)) }
}

func chmod(name string, mode uint32) func(*testing.T, string) {
	return func(t *testing.T, dir string) { must(t, unix.Chmod(filepath.Join(dir, name), mode)) }
}

func symlink(target, name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		path := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.Symlink(target, path))
	}
}

func fifo(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) { must(t, unix.Mkfifo(filepath.Join(dir, name), 0o644)) }
}

func setACL(name string, value []byte) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		err := unix.Setxattr(filepath.Join(dir, name), "system.posix_acl_access", value, 0)
		if errors.Is(err, unix.EOPNOTSUPP) {
			testenv.Miss(t, "needs a file system with ACLs below /var/lib")
		}
		must(t, err)
	}
}

// TestExecutable: a program may lie below a sticky folder if what follows is root's own, and comes back without links.
func TestExecutable(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*testing.T, string)
		path   string
		want   string
	}{
		{"root's own", func(*testing.T, string) {}, "etc/prog", ""},
		{"no x bit", func(*testing.T, string) {}, "etc/policy", "is not executable"},
		{"folder", func(*testing.T, string) {}, "etc/sub", "not a program"},
		{"by a link", symlink("prog", "etc/other"), "etc/other", ""},
		{"sticky folder", chmod("etc", 0o1777), "etc/prog", ""},
		{"sticky folder, another's file", both(chmod("etc", 0o1777), chown("etc/prog", 65534, 0)), "etc/prog", "belongs to"},
		{"sticky folder, another's link", both(chmod("etc", 0o1777), both(symlink("prog", "etc/other"), lchown("etc/other", 65534))), "etc/other", "belongs to"},
		{"writable folder", chmod("etc", 0o777), "etc/prog", "is writable by everybody"},
		{"writable program", chmod("etc/prog", 0o757), "etc/prog", "is writable by everybody"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := tree(t)
			test.change(t, dir)
			canonical, err := trust.Executable(filepath.Join(dir, test.path), trust.Rules{})
			check(t, err, test.want)
			if err == nil && canonical != filepath.Join(dir, "etc/prog") {
				t.Errorf("canonical path %s", canonical)
			}
		})
	}
	if _, err := trust.Executable("bin/true", trust.Rules{}); err == nil {
		t.Error("a relative path is accepted")
	}
}

// TestLinkErrors: a link that leads nowhere says so, and is still told from one that is not to be trusted.
func TestLinkErrors(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Symlink("none", dir+"/dangling"))
	must(t, os.Symlink("loop", dir+"/loop"))
	for name, want := range map[string]error{"dangling": fs.ErrNotExist, "loop": unix.ELOOP, "absent": fs.ErrNotExist} {
		_, err := trust.Open(dir+"/"+name, trust.Rules{Untrusted: true})
		var e *trust.Error
		if !errors.Is(err, want) || errors.As(err, &e) != (name != "absent") || !strings.Contains(err.Error(), dir+"/"+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSwap: while a folder is exchanged for a link again and again, what comes out was never the attacker's file.
func TestSwap(t *testing.T) {
	dir := tree(t)
	must(t, os.MkdirAll(filepath.Join(dir, "evil"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "evil/policy"), []byte("evil"), 0o644))
	must(t, os.Chown(filepath.Join(dir, "evil/policy"), 65534, 65534))
	must(t, os.Symlink("evil", filepath.Join(dir, "link")))
	done := make(chan error, 1)
	go func() {
		for range 2000 {
			if err := unix.Renameat2(unix.AT_FDCWD, dir+"/etc", unix.AT_FDCWD, dir+"/link", unix.RENAME_EXCHANGE); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	opened := 0
	for {
		f, err := trust.Open(dir+"/etc/policy", trust.Rules{})
		if err == nil {
			text, _ := io.ReadAll(f)
			_ = f.Close()
			if opened++; string(text) != "etc/policy" {
				t.Fatalf("opened %q", text)
			}
		}
		select {
		case err := <-done:
			must(t, err)
			if opened == 0 {
				t.Error("it was never opened: the test says nothing")
			}
			return
		default:
		}
	}
}

// TestLeaks: no way out leaves a descriptor open.
func TestLeaks(t *testing.T) {
	dir := tree(t)
	must(t, os.Symlink("a", dir+"/a"))
	must(t, os.Chmod(dir+"/etc/sub", 0o777))
	count := func() int {
		names, err := os.ReadDir("/proc/self/fd")
		must(t, err)
		return len(names)
	}
	before := count()
	for range 50 {
		for _, path := range []string{"/etc/policy", "/a", "/etc/sub/policy", "/none", "/etc/policy/x", "/etc/../etc/policy", "/etc"} {
			if f, err := trust.Open(dir+path, trust.Rules{}); err == nil {
				_ = f.Close()
			}
			_, _ = trust.Executable(dir+path, trust.Rules{})
			if d, err := trust.OpenDir(dir+path, trust.Rules{}); err == nil {
				_ = d.Close()
			}
		}
	}
	for deadline := time.Now().Add(5 * time.Second); count() > before; {
		if time.Now().After(deadline) {
			t.Fatalf("%d descriptors before, %d after", before, count())
		}
	}
}
