// Package testenv says what the machine lets a test do, so that a skip cannot lie.
//
// A test that needs root calls NeedRoot: an ordinary user sees it skipped with the reason, and CI, which sets
// PRIVHELPER_TEST_ROOT=must, sees it fail where root is missing. The same holds for peers (Python, sudo, etcd): NeedProgram.
package testenv

import (
	"os"
	"os/exec"
	"testing"
)

// must reports whether a missing privilege or peer is a failure and not a reason to skip.
func must() bool { return os.Getenv("PRIVHELPER_TEST_ROOT") == "must" }

// NeedRoot ends the test unless it runs as uid 0: as skipped, or as failed where PRIVHELPER_TEST_ROOT=must.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Miss(t, "needs root")
	}
}

// NeedProgram returns the path of a program that the test compares with, or ends the test as NeedRoot does. deb names
// the Debian package that brings it.
func NeedProgram(t testing.TB, name, deb string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Miss(t, "needs "+name+" (Debian package "+deb+")")
	}
	return path
}

// Miss ends the test because the machine lacks something else, with the reason: as skipped, or as failed where
// PRIVHELPER_TEST_ROOT=must.
func Miss(t testing.TB, reason string) {
	t.Helper()
	if must() {
		t.Fatalf("%s, and PRIVHELPER_TEST_ROOT=must", reason)
	}
	t.Skip(reason)
}
