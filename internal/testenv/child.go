package testenv

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// childVariable carries the name of the child that a test binary is to be, instead of running its tests.
const childVariable = "PRIVHELPER_TEST_CHILD"

// Children are the processes that a package's tests need for what cannot be undone, by name. A child writes what it saw
// to its standard output; an error goes to standard error and ends it with 1.
type Children map[string]func(args []string) error

// Main is the body of TestMain in a package whose tests start children: it becomes the child that Child asked for, or
// runs the tests. It does not return.
func Main(m *testing.M, children Children) {
	name, asked := os.LookupEnv(childVariable)
	if !asked {
		os.Exit(m.Run())
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

// Child returns the command that starts this test binary as the named child. TestMain must call Main.
func Child(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), childVariable+"="+name)
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
