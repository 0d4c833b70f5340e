package rootwrap

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/privhelper/privhelper/internal/testenv"
)

// What a program's header names is what readelf(1) says, and a script's chain is followed to its end.
func TestProgramFiles(t *testing.T) {
	readelf := testenv.NeedProgram(t, "readelf", "binutils")
	dir := t.TempDir()
	script := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	programs, err := filepath.Glob("/usr/bin/[a-e]*")
	if err != nil {
		t.Fatal(err)
	}
	loaders := 0
	for _, path := range append(programs, "/bin/sh", os.Args[0]) {
		text, err := os.ReadFile(path)
		if err != nil || !bytes.HasPrefix(text, []byte("\x7fELF")) {
			continue
		}
		want := []string{path}
		out, err := exec.Command(readelf, "-lW", path).Output()
		if err != nil {
			t.Fatal(path, err)
		}
		if _, after, ok := strings.Cut(string(out), "Requesting program interpreter: "); ok {
			loader, _, _ := strings.Cut(after, "]")
			want = append(want, loader)
			loaders++
		}
		if got, err := programFiles(path); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	if loaders == 0 {
		t.Error("no program had a loader")
	}
	sh, err := programFiles("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	one := script("one", "#! /bin/sh -e\n")
	two := script("two", "#!"+one)
	self := script("self", "#!"+dir+"/self\n")
	empty := script("empty", "#!\n")
	for path, want := range map[string][]string{
		one: append([]string{one}, sh...), two: append([]string{two, one}, sh...), self: {self}, empty: {empty},
		script("text", "text"): {dir + "/text"},
	} {
		if got, err := programFiles(path); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
}

func FuzzInterpreter(f *testing.F) {
	text, err := os.ReadFile("/bin/sh")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text[:4096])
	f.Add([]byte("#!/bin/sh"))
	f.Add([]byte("#!\x00"))
	f.Add(append([]byte("\x7fELF\x01\x02"), make([]byte, 100)...))
	f.Fuzz(func(t *testing.T, text []byte) {
		name := interpreter(text[:min(len(text), 4096)], bytes.NewReader(text))
		if strings.ContainsRune(name, 0) || len(name) > 4096 {
			t.Errorf("%q", name)
		}
	})
}

// A digest is of the bytes that are executed, also when they change while the path stays.
func TestDigest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	sum := func(text string) []byte { s := sha256.Sum256([]byte(text)); return s[:] }
	d := &digests{}
	may := func(want []byte) bool {
		f, err := d.open(path, want)
		if err == nil {
			f.Close()
		}
		return err == nil
	}
	write("one")
	if !may(sum("one")) || may(sum("two")) {
		t.Error("the first")
	}
	if len(d.seen) != 0 {
		t.Error("a file that has just changed is remembered")
	}
	if err := os.Chtimes(path, time.Now(), time.Now().Add(-time.Hour)); err != nil { // sets another time than is asked
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); len(d.seen) == 0; time.Sleep(10 * time.Millisecond) { // the clock is the event
		if !may(sum("one")) || time.Now().After(deadline) {
			t.Fatal("it is not remembered")
		}
	}
	write("two") // of the same length
	if may(sum("one")) || !may(sum("two")) {
		t.Error("the file was remembered when it was another")
	}
	write("#!/bin/sh")
	if may(sum("#!/bin/sh")) {
		t.Error("a script")
	}
	if err := os.Rename(path, path+"2"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path+"2", path); err != nil {
		t.Fatal(err)
	}
	if _, err := d.open(path, nil); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Error("a link was followed")
	}
}
