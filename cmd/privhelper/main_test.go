//go:build linux

package main_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

// base is a folder in which policy can be trusted where the test runs as root: below /tmp nothing of policy is. It holds
// bin, with the static binary as it ships, and this test binary by the names of programs.
var base string

// programs are what the test binary is where it is called by their names: commands for policies to allow, and a service.
// A RegExpFilter's command goes by the name that it was called by.
var programs = testenv.Programs{"probe": probe, "probe-as-nobody": probe, "catch": catch, "report": report, "tell": tell, "tell-as-nobody": tell, "tell-as-ids": tell, "service": service}

func TestMain(m *testing.M) {
	programs.Become()
	os.Exit(testenv.InTrustedFolder("privhelper-test", func(dir string) (int, error) {
		base = dir
		if err := errors.Join(
			testenv.Build(binary(), "."),
			os.Symlink("privhelper", filepath.Join(base, "bin", "oslo-rootwrap")),
			testenv.InstallSelf(filepath.Join(base, "bin"), "probe", "catch", "report", "tell", "service"),
		); err != nil {
			return 1, err
		}
		return m.Run(), nil
	}))
}

func binary() string { return filepath.Join(base, "bin", "privhelper") }
