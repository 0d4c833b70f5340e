//go:build linux

package main_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/privhelper/privhelper/internal/testenv"
)

// TestScripts are scripts that any user can run.
func TestScripts(t *testing.T) { scripts(t, "author", "version") }

func TestRootScripts(t *testing.T) {
	testenv.NeedRoot(t)
	scripts(t, "root-*")
}

// TestSudo has a service start its helper by the real sudo.
func TestSudo(t *testing.T) {
	testenv.NeedRoot(t)
	testenv.NeedProgram(t, "sudo", "sudo")
	needMounts(t)
	buildInto(t, "client-demo", "../client-demo")
	scripts(t, "sudo")
}

// TestDoas is the same by the real doas.
func TestDoas(t *testing.T) {
	testenv.NeedRoot(t)
	testenv.NeedProgram(t, "doas", "opendoas")
	needMounts(t)
	scripts(t, "doas")
}

// buildInto builds another program of this module beside the binary.
func buildInto(t *testing.T, name, pkg string) {
	t.Helper()
	build := exec.Command("go", "build", "-trimpath", "-o", program(name), pkg)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	testenv.Output(t, build)
}

// needMounts ends the test, as testenv does, where the machine gives it no mount namespace in which a setuid program is
// what it is elsewhere: a container often has neither.
func needMounts(t *testing.T) {
	t.Helper()
	unshare := testenv.NeedProgram(t, "unshare", "util-linux")
	if out, err := exec.Command(unshare, "--mount", "--propagation", "private", "mount", "-t", "tmpfs", "none", "/mnt").CombinedOutput(); err != nil {
		testenv.Miss(t, "needs a mount namespace and a tmpfs in it (CAP_SYS_ADMIN; in a container --privileged): "+strings.TrimSpace(string(out)))
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(status), "\nNoNewPrivs:\t1\n") {
		testenv.Miss(t, "needs to be started without no_new_privs, under which sudo and doas give nothing")
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs("/usr/bin", &fs); err != nil {
		t.Fatal(err)
	}
	if fs.Flags&syscall.MS_NOSUID != 0 {
		testenv.Miss(t, "needs /usr/bin mounted without nosuid")
	}
}

// TestEveryScriptRuns: a script that no test names would pass for ever.
func TestEveryScriptRuns(t *testing.T) {
	sources, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var patterns []string
	for _, source := range sources {
		text, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range regexp.MustCompile(`scripts\(t(?:, "[^"]*")+\)`).FindAllString(string(text), -1) {
			patterns = append(patterns, regexp.MustCompile(`[^" ,]+`).FindAllString(call[len("scripts(t, "):len(call)-1], -1)...)
		}
	}
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		if !slices.ContainsFunc(patterns, func(p string) bool { ok, _ := filepath.Match(p, name); return ok }) {
			t.Errorf("%s is run by no test", file)
		}
	}
}

func scripts(t *testing.T, patterns ...string) {
	var files []string
	for _, pattern := range patterns {
		found, err := filepath.Glob("testdata/script/" + pattern + ".txtar")
		if err != nil || len(found) == 0 {
			t.Fatalf("no script %s: %v", pattern, err)
		}
		files = append(files, found...)
	}
	testscript.Run(t, testscript.Params{
		Files:       files,
		WorkdirRoot: base,
		Setup:       setup,
		Cmds:        map[string]func(*testscript.TestScript, bool, []string){"code": code, "json": jsonField},
	})
}

// setup puts the binary first in PATH, and in the script's files the script's folder in place of @WORK@ and the binary in
// place of @PRIVHELPER@: filters_path and sudoers take absolute paths only.
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
		places := strings.NewReplacer("@WORK@", env.WorkDir, "@PRIVHELPER@", binary())
		return os.WriteFile(path, []byte(places.Replace(string(text))), 0o644)
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
