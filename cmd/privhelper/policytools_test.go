//go:build linux

package main_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

// TestPolicyTools are the scripts of check, explain and suggest, for any user.
func TestPolicyTools(t *testing.T) { scripts(t, "check", "explain", "suggest") }

// TestSamplePolicies has the policies of etc/ do their jobs, and not more.
func TestSamplePolicies(t *testing.T) {
	testenv.NeedRoot(t)
	for program, deb := range map[string]string{"ip": "iproute2", "mkfs.ext4": "e2fsprogs", "mount": "mount"} {
		testenv.NeedProgram(t, program, deb)
	}
	needMounts(t)
	samples, err := filepath.Abs("../../etc/privhelper")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(samples, filepath.Join(base, "samples")); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	scripts(t, "samples")
}
