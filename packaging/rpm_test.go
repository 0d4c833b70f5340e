//go:build packages

package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

// testRPM is the package's life under rpm, on the files of a Debian: its names of packages are others, so dependencies are not
// asked for. What rpm does of its own, it does as on Fedora.
func testRPM(t *testing.T, first, next packages) {
	rpm := testenv.NeedProgram(t, "rpm", "rpm")
	r := newRoot(t)
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(rpm, append([]string{"--root", r.path, "--nodeps"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("rpm %q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	run("--install", first.rpm)
	run("--verify", "privhelper")
	if !strings.Contains(string(r.read(t, "etc/group")), "\nprivhelper:") {
		t.Error("no group privhelper")
	}
	if out := r.sh(t, "privhelper check"); strings.Contains(out, "error") {
		t.Errorf("privhelper check: %s", out)
	}
	conf := string(r.read(t, "etc/privhelper/privhelper.conf")) + "clients = root\n"
	r.write(t, "etc/privhelper/privhelper.conf", conf)
	t.Logf("%s", run("--upgrade", next.rpm))
	if got := string(r.read(t, "etc/privhelper/privhelper.conf")); got != conf {
		t.Errorf("the upgrade did not keep what the administrator wrote: %s", got)
	}
	if rotate := string(r.read(t, "etc/logrotate.d/privhelper")); !strings.HasPrefix(rotate, "# Of the next version.\n") {
		t.Errorf("the upgrade did not replace what nobody had changed: %s", rotate)
	}
	r.sh(t, "systemctl enable privhelper.socket")
	run("--erase", "privhelper")
	// rpm knows no purge: what the administrator wrote stays under another name, and its group.
	for _, left := range r.changed(t) {
		switch left {
		case "/etc/privhelper", "/etc/privhelper/privhelper.conf.rpmsave", "/etc/privhelper/privhelper.conf.rpmnew", "/run/privhelper", "the group privhelper":
		default:
			t.Errorf("erase leaves %s", left)
		}
	}
	if _, err := os.Stat(filepath.Join(r.path, "usr/bin/privhelper")); err == nil {
		t.Error("erase leaves the executable")
	}
}
