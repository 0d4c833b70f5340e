//go:build linux

package main_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// base is a folder in which policy can be trusted where the test runs as root: below /tmp nothing of policy is. It holds
// bin, with the static binary as it ships, and this test binary by the names of programs.
var base string

// programs are what the test binary is where it is called by their names: commands for policies to allow, and a service.
// A RegExpFilter's command goes by the name that it was called by.
var programs = map[string]func(args []string) error{"probe": probe, "probe-as-nobody": probe, "catch": catch, "report": report, "tell": tell, "tell-as-nobody": tell, "tell-as-ids": tell, "service": service}

func TestMain(m *testing.M) {
	if program := programs[filepath.Base(os.Args[0])]; program != nil {
		if err := program(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	syscall.Umask(0o022) // scripts' files would be for others to write, and no policy, under umask 0
	code, err := inBase(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// inBase makes base, builds the binary into it, runs and removes base.
func inBase(run func() int) (code int, err error) {
	parent := ""
	if os.Geteuid() == 0 {
		parent = "/var/lib"
	}
	if base, err = os.MkdirTemp(parent, "privhelper-test-"); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(base)) }()
	if err := os.Chmod(base, 0o755); err != nil { // MkdirTemp's 0700 keeps a run_as of nobody out
		return 1, err
	}
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary(), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("build: %w\n%s", err, out)
	}
	if err := os.Symlink("privhelper", filepath.Join(base, "bin", "oslo-rootwrap")); err != nil {
		return 1, err
	}
	if err := installPrograms(); err != nil {
		return 1, err
	}
	return run(), nil
}

// installPrograms copies this binary: a link into the folder of go test could be entered by nobody, and trusted by none.
func installPrograms() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	text, err := os.ReadFile(self)
	if err != nil {
		return err
	}
	for _, name := range []string{"probe", "catch", "report", "tell", "service"} {
		if err := os.WriteFile(filepath.Join(base, "bin", name), text, 0o755); err != nil {
			return err
		}
	}
	return nil
}

func binary() string { return filepath.Join(base, "bin", "privhelper") }
