//go:build linux

package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

// TestSamples: what etc/ offers is taken by those who read it.
func TestSamples(t *testing.T) {
	etc := filepath.Join("..", "..", "etc")
	out := testenv.Output(t, exec.Command(binary(), "check", "--untrusted-files", "--config", filepath.Join(etc, "privhelper", "privhelper.conf")))
	t.Logf("%s", out)
	testenv.NeedRoot(t) // visudo wants the file to be root's
	visudo := testenv.NeedProgram(t, "visudo", "sudo")
	text, err := os.ReadFile(filepath.Join(etc, "sudoers.d", "privhelper"))
	if err != nil {
		t.Fatal(err)
	}
	sample := filepath.Join(t.TempDir(), "privhelper")
	if err := os.WriteFile(sample, text, 0o440); err != nil {
		t.Fatal(err)
	}
	testenv.Output(t, exec.Command(visudo, "-c", "-f", sample))
}
