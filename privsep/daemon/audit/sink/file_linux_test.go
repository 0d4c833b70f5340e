package sink

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
)

// rootsFolder is a folder that root alone can change, with every folder above it.
func rootsFolder(t *testing.T) string {
	t.Helper()
	testenv.NeedRoot(t)
	dir, err := os.MkdirTemp("/var/lib", "privhelper-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestOpenFile(t *testing.T) {
	path := rootsFolder(t) + "/log"
	for n := range 3 { // each a helper of its own: they append
		var rest strings.Builder
		log, err := Open(Options{File: path, Rest: &rest})
		if err != nil {
			t.Fatal(err)
		}
		if flags, err := unix.FcntlInt(log.file.open.Fd(), unix.F_GETFL, 0); err != nil || flags&unix.O_APPEND == 0 {
			t.Errorf("flags %#x, %v", flags, err)
		}
		if flags, err := unix.FcntlInt(log.file.open.Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("descriptor flags %#x, %v", flags, err)
		}
		log.Write(fmt.Appendf(nil, `{"argv": ["x", "%d"]}`, n), Info)
		if err := log.Close(); err != nil || rest.Len() > 0 {
			t.Errorf("Close: %v; beside the file: %q", err, rest.String())
		}
		if log.Write([]byte("x"), Info); log.Lost() != 1 {
			t.Errorf("%d lines lost by a line after Close", log.Lost())
		}
	}
	text, err := os.ReadFile(path)
	if st, serr := os.Stat(path); serr != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), serr)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if err != nil || len(lines) != 3 {
		t.Fatalf("%v: %q", err, text)
	}
	for n, line := range lines {
		var o struct{ Argv []string }
		if err := json.Unmarshal([]byte(line), &o); err != nil || len(o.Argv) != 2 || o.Argv[1] != fmt.Sprint(n) {
			t.Errorf("%v: %s", err, line)
		}
	}
}

func TestOpenFileRefuses(t *testing.T) {
	dir := rootsFolder(t)
	at := func(name string) string { return filepath.Join(dir, name) }
	file := func(name string, mode os.FileMode) string {
		if err := errors.Join(os.WriteFile(at(name), nil, 0o600), os.Chmod(at(name), mode)); err != nil {
			t.Fatal(err)
		}
		return at(name)
	}
	linked, owned := file("linked", 0o600), file("owned", 0o600)
	if err := errors.Join(os.Mkdir(at("folder"), 0o700), os.Mkdir(at("open"), 0o700), os.Chmod(at("open"), 0o1777), unix.Mkfifo(at("fifo"), 0o600),
		os.Link(linked, at("second")), os.Symlink(owned, at("link")), os.Chown(owned, testenv.Nobody, -1)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ path, want string }{
		"a link":                          {at("link"), "too many levels of symbolic links"},
		"a folder":                        {at("folder"), "is a directory"},
		"a FIFO, which nobody reads":      {at("fifo"), "no such device"},
		"a device":                        {"/dev/null", "no regular file"},
		"somebody else's":                 {owned, "belongs to uid 65534"},
		"written by a group":              {file("group", 0o620), "can be written by others"},
		"written by everybody":            {file("everybody", 0o602), "can be written by others"},
		"a second name of another file":   {at("second"), "has 2 names"},
		"in a folder that others write":   {at("open/log"), "is writable by everybody"},
		"in a folder that does not exist": {at("none/log"), "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(Options{File: c.path})
			var bad *FileError
			if err == nil || !strings.Contains(err.Error(), c.want) || !errors.As(err, &bad) || bad.Path != c.path {
				t.Errorf("%v; want %q in it", err, c.want)
			}
		})
	}
	if _, err := os.Stat(at("none")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a folder was made")
	}
}

// A log that was renamed is followed when it is said, and not before; where there is none to follow, the old one has all.
func TestReopen(t *testing.T) {
	dir := rootsFolder(t)
	path := filepath.Join(dir, "log")
	log, err := Open(Options{File: path})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	say := func(text string) { log.Write([]byte(text), Info) }
	say("one")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	say("two")
	log.Reopen()
	say("three")
	if err := errors.Join(os.Rename(path, path+".2"), os.Symlink("/etc/passwd", path)); err != nil {
		t.Fatal(err)
	}
	log.Reopen()
	say("four")
	if err := errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o666), os.Chmod(path, 0o666)); err != nil {
		t.Fatal(err)
	}
	log.Reopen()
	say("five")
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if got := read(path + ".1"); got != "one\ntwo\n" {
		t.Errorf("the first: %q", got)
	}
	second := strings.Split(read(path+".2"), "\n")
	if len(second) != 6 || second[0] != "three" || second[2] != "four" || second[4] != "five" ||
		!strings.Contains(second[1], "not_reopened") || !strings.Contains(second[3], "can be written by others") {
		t.Errorf("the second: %q", second)
	}
	if got := read(path); got != "" {
		t.Errorf("a file that everybody can write: %q", got)
	}
	if log.Lost() != 0 {
		t.Errorf("%d lines lost", log.Lost())
	}
}
