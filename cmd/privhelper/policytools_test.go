//go:build linux

package main_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

// TestPolicyTools are the scripts of check, explain and suggest, for any user.
func TestPolicyTools(t *testing.T) { scripts(t, "check", "explain", "suggest", "learn") }

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
	script, err := os.ReadFile("testdata/with-samples.sh")
	if err != nil {
		t.Fatal(err)
	}
	script = bytes.ReplaceAll(script, []byte("@SAMPLES@"), []byte(samples))
	if err := os.WriteFile(program("with-samples"), script, 0o755); err != nil {
		t.Fatal(err)
	}
	scripts(t, "samples")
	t.Run("loop", func(t *testing.T) {
		losetup := testenv.NeedProgram(t, "losetup", "mount")
		if out, err := exec.Command(losetup, "-f").CombinedOutput(); err != nil {
			testenv.Miss(t, "needs a loop device: "+string(out))
		}
		scripts(t, "volume")
	})
}
