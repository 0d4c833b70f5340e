//go:build linux

package main_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/privhelper/privhelper/internal/testenv"
)

// TestScripts are scripts that any user can run; TestRootScripts those named root-*.
func TestScripts(t *testing.T) { scripts(t, false) }

func TestRootScripts(t *testing.T) {
	testenv.NeedRoot(t)
	scripts(t, true)
}

func scripts(t *testing.T, root bool) {
	all, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, f := range all {
		if strings.HasPrefix(filepath.Base(f), "root-") == root {
			files = append(files, f)
		}
	}
	if len(files) == 0 {
		t.Fatal("no scripts")
	}
	testscript.Run(t, testscript.Params{
		Files:       files,
		WorkdirRoot: base,
		Setup:       setup,
		Cmds:        map[string]func(*testscript.TestScript, bool, []string){"code": code, "json": jsonField},
	})
}

// setup puts the binary first in PATH, and the script's folder in place of @WORK@ in its files: filters_path takes
// absolute paths only.
func setup(env *testscript.Env) error {
	env.Setenv("PRIVHELPER", binary())
	env.Setenv("PATH", filepath.Join(base, "bin")+":/usr/sbin:/usr/bin:/sbin:/bin")
	return filepath.WalkDir(env.WorkDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "@WORK@", env.WorkDir)), 0o644)
	})
}

// code N PROGRAM ARG... runs a program that is to exit with N. exec can only tell 0 from the rest.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N PROGRAM ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}
