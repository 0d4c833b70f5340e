//go:build packages

package packaging_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

// testSELinux: the module becomes part of the machine's policy with the package, and leaves with it, by apt and by rpm. The
// policy is this machine's own, whichever root the others have.
func testSELinux(t *testing.T, built packages) {
	testenv.NeedProgram(t, "semodule", "policycoreutils")
	rpm := testenv.NeedProgram(t, "rpm", "rpm")
	for name, by := range map[string]struct{ install, remove func(root) *exec.Cmd }{
		"deb": {
			func(r root) *exec.Cmd {
				r.take(t, built.deb)
				r.take(t, built.selinuxDeb)
				return r.command("apt-get", "install", "--yes", "/root/"+filepath.Base(built.deb), "/root/"+filepath.Base(built.selinuxDeb))
			},
			func(r root) *exec.Cmd {
				return r.command("apt-get", "purge", "--yes", "privhelper", "privhelper-selinux")
			},
		},
		"rpm": {
			func(r root) *exec.Cmd {
				return exec.Command(rpm, "--root", r.path, "--nodeps", "--install", built.rpm, built.selinuxRPM)
			},
			func(r root) *exec.Cmd {
				return exec.Command(rpm, "--root", r.path, "--erase", "privhelper-selinux", "privhelper")
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRootOver(t, "/")
			loaded := func() bool {
				modules := testenv.Output(t, r.command("semodule", "--list-modules"))
				return bytes.Contains(modules, []byte("privhelper\n")) && bytes.Contains(r.read(t, "etc/selinux/default/contexts/files/file_contexts"), []byte("privhelper_exec_t"))
			}
			if loaded() {
				t.Fatal("this machine has the module already")
			}
			if out := testenv.Output(t, by.install(r)); bytes.Contains(out, []byte("Error")) || !loaded() {
				t.Errorf("the module is not loaded, or not without a complaint:\n%s", out)
			}
			testenv.Output(t, by.remove(r))
			if loaded() {
				t.Error("the module is still there")
			}
			for _, left := range r.changed(t) {
				if was, err := os.ReadFile(left); err == nil && bytes.Equal(was, r.read(t, left)) {
					continue // written anew, as it was
				}
				switch {
				case left == "/var/lib/selinux/default/active/commit_num": // how often it was written
				case name == "rpm" && (left == "the group privhelper" || left == "/run/privhelper"): // see testRPM
				case strings.HasPrefix(left, "/var/lib/selinux/default/previous"):
				default:
					t.Errorf("purge leaves %s", left)
				}
			}
		})
	}
}
