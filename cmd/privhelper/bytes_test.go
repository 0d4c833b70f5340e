//go:build linux

package main_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

// policy makes a folder of root's with a configuration and one policy file, and returns the configuration's path.
func policy(t testing.TB, rules string) string {
	t.Helper()
	testenv.NeedRoot(t)
	dir, err := os.MkdirTemp(base, "policy-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // as a user's own `run` reads it
		t.Fatal(err)
	}
	config := filepath.Join(dir, "r.conf")
	for path, text := range map[string]string{
		config:                            "[DEFAULT]\nexec_dirs=/usr/bin,/bin\nfilters_path=" + dir + "\n",
		filepath.Join(dir, "one.filters"): "[Filters]\n" + rules,
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return config
}

// TestStreamsExact: what goes in comes out, of every byte and more than a pipe holds.
func TestStreamsExact(t *testing.T) {
	config := policy(t, "cat: CommandFilter, cat, root\n")
	in := make([]byte, 1<<20)
	for i := range in {
		in[i] = byte(i ^ i>>8)
	}
	cmd := exec.Command(binary(), "run", "--config", config, "cat")
	cmd.Stdin = bytes.NewReader(in)
	if out := testenv.Output(t, cmd); !bytes.Equal(out, in) {
		t.Errorf("%d bytes came out, not the %d that went in", len(out), len(in))
	}
}

// TestArgumentsExact: every byte that an argument can hold reaches the command, in both forms of the command line.
func TestArgumentsExact(t *testing.T) {
	config := policy(t, "printf: CommandFilter, printf, root\n")
	var args []string
	for b := 1; b < 256; b++ {
		args = append(args, string([]byte{'a', byte(b), 'z'}))
	}
	args = append(args, "", "--", "--config", strings.Repeat("x", 100_000))
	want := strings.Join(args, "\x00") + "\x00"
	for _, form := range [][]string{{"run", "--config", config}, {"rootwrap", config}} {
		cmd := exec.Command(binary(), append(append(form, "printf", `%s\0`), args...)...)
		if out := testenv.Output(t, cmd); string(out) != want {
			t.Errorf("%s: got %.300q", form[0], out)
		}
	}
}

// signalOf is what ended a process, 0 if nothing did.
func signalOf(s *os.ProcessState) syscall.Signal {
	if ws, ok := s.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return ws.Signal()
	}
	return 0
}
