package testenv

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Oracle returns the folder with the recorded answers of oslo.rootwrap: $PRIVHELPER_ORACLE, or ../shared/oracle as seen
// from a folder above the test. Where there is none the test ends, as with NeedRoot.
func Oracle(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("PRIVHELPER_ORACLE"); dir != "" {
		return dir
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		oracle := filepath.Join(dir, "../shared/oracle")
		if _, err := os.Stat(filepath.Join(oracle, "make_world.py")); err == nil {
			return oracle
		}
	}
	Miss(t, "needs the oracle: set PRIVHELPER_ORACLE to its folder")
	return ""
}

// OracleWorld builds the world that the oracle's answers are about, in the new folder world, and belonging to root where
// the test runs as root. It needs Python.
func OracleWorld(t testing.TB, oracle, world string) {
	t.Helper()
	python := NeedProgram(t, "python3", "python3")
	cmd := exec.Command("/bin/sh", "-c", `umask 022; exec "$@"`, "sh", python, filepath.Join(oracle, "make_world.py"), world)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make_world.py: %v\n%s", err, out)
	}
}
