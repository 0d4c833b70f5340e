package testenv

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// childVariable carries the name of the child that a test binary is to be, instead of running its tests.
const childVariable = "PRIVHELPER_TEST_CHILD"

// Children are the processes that a package's tests need for what cannot be undone, by name. A child writes what it saw
// to its standard output; an error goes to standard error and ends it with 1.
type Children map[string]func(args []string) error

// Main is the body of TestMain in a package whose tests start children: it becomes the child that Child asked for, or
// runs the tests, which are to leave no goroutine behind. It does not return.
func Main(m *testing.M, children Children) {
	name, asked := os.LookupEnv(childVariable)
	if !asked {
		os.Exit(leaks(m))
	}
	body, known := children[name]
	if !known {
		fmt.Fprintf(os.Stderr, "testenv: this test binary has no child %q\n", name)
		os.Exit(2)
	}
	if err := body(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "child %s: %v\n", name, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Child returns the command that starts this test binary as the named child, from a path that every user can reach.
// TestMain must call Main.
func Child(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(reachable(t, self), args...)
	// Under -race every process sleeps for a second before it exits, unless told not to.
	cmd.Env = append(os.Environ(), childVariable+"="+name, "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	return cmd
}

// Output runs a command and returns its standard output; the test ends with its standard error when it fails.
func Output(t testing.TB, cmd *exec.Cmd) []byte {
	t.Helper()
	var stderr bytes.Buffer
	if cmd.Stderr == nil {
		cmd.Stderr = &stderr
	}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, stderr.Bytes())
	}
	return out
}

// reachable gives a program a path that every user may enter: `go test` builds in a folder of mode 0700. It is linked
// where that works, because a fresh copy may still be open for writing in somebody's fork (ETXTBSY).
func reachable(t testing.TB, program string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "testenv")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, filepath.Base(program))
	if os.Link(program, path) != nil {
		if err := copyProgram(path, program); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func copyProgram(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
