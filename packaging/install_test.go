//go:build packages

package packaging_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

// installation returns the blocks of shell of README's installation that are for the machine that is to have it: what root
// types, and what then works. The first block builds, as TestPackages has done.
func installation(t *testing.T) (installs, works string) {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Installation\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var blocks []string
	for i, part := range strings.Split(section, "```") {
		if i%2 == 1 {
			blocks = append(blocks, strings.TrimPrefix(part, "sh\n"))
		}
	}
	if len(blocks) != 3 || !strings.HasPrefix(blocks[0], "make packages\n") {
		t.Fatalf("README's installation has these blocks: %q", blocks)
	}
	return blocks[1], blocks[2]
}

// testDeb is the life of the package on a Debian system: installed as README says, upgraded under a service that runs, and
// purged.
func testDeb(t *testing.T, first, next packages) {
	installs, works := installation(t)
	r := newRoot(t)
	if strings.Contains(string(r.read(t, "etc/passwd")), "netservice:") {
		t.Fatal("the system has a user netservice already")
	}
	r.take(t, first.deb)
	out := r.sh(t, "cd /root\n"+installs)
	t.Logf("%s", out)
	if st, err := os.Stat(filepath.Join(r.path, "run/privhelper")); err != nil || st.Mode() != os.ModeDir|0o755 {
		t.Errorf("/run/privhelper: %v, %v", st, err)
	}
	link, err := os.Readlink(filepath.Join(r.path, "etc/systemd/system/sockets.target.wants/privhelper.socket"))
	if err != nil || link != "/lib/systemd/system/privhelper.socket" && link != "/usr/lib/systemd/system/privhelper.socket" {
		t.Errorf("the socket is not enabled: %q, %v", link, err)
	}
	if bad := testenv.Output(t, r.command("dpkg", "--verify", "privhelper")); !onlyLine(bad, "/etc/privhelper/privhelper.conf") {
		t.Errorf("dpkg --verify: %s", bad)
	}

	// There is no systemd in a chroot: what its units start is started here.
	service := r.serve(t)
	if out := r.sh(t, works); !strings.Contains(out, "lo:") || !strings.Contains(out, "links") {
		t.Errorf("what README says works gives %s", out)
	}
	refused := r.command("setpriv", "--reuid=nobody", "--regid=nogroup", "--init-groups", "--no-new-privs", "privhelper", "run", "--", "ip", "link", "show")
	if text, err := refused.CombinedOutput(); err == nil || refused.ProcessState.ExitCode() != 99 || bytes.Count(text, []byte("\n")) != 1 {
		t.Errorf("a user who is not in clients: %v, %s", err, text)
	}

	// A command that runs, over the connection of its client, sees the upgrade.
	r.write(t, "etc/privhelper/rootwrap.d/cat.filters", "[Filters]\necho: ArgvFilter, cat, root\n")
	service.reload(t)
	held := r.hold(t)
	held.echo(t, "before")
	r.take(t, next.deb)
	t.Logf("%s", r.sh(t, "apt-get install --yes --option Dpkg::Options::=--force-confold /root/"+filepath.Base(next.deb)))
	held.echo(t, "after")
	if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", service.cmd.Process.Pid)); err != nil || !strings.HasSuffix(exe, "/usr/bin/privhelper (deleted)") {
		t.Errorf("the service is %q, %v", exe, err)
	}
	if out := r.sh(t, works); !strings.Contains(out, "lo:") {
		t.Errorf("after the upgrade README's lines give %s", out)
	}
	held.end(t)
	if conf := string(r.read(t, "etc/privhelper/privhelper.conf")); !strings.HasSuffix(conf, "clients = netservice\n") || strings.Contains(conf, "next version") {
		t.Errorf("the upgrade did not keep what the administrator wrote: %s", conf)
	}
	if rotate := string(r.read(t, "etc/logrotate.d/privhelper")); !strings.HasPrefix(rotate, "# Of the next version.\n") {
		t.Errorf("the upgrade did not replace what nobody had changed: %s", rotate)
	}
	if rules := string(r.read(t, "etc/privhelper/rootwrap.d/net.filters")); !strings.Contains(rules, "links:") {
		t.Errorf("the upgrade lost rules: %q", rules)
	}

	service.end(t)
	r.write(t, "var/log/privhelper.log", "{}\n")
	r.sh(t, "apt-get remove --yes privhelper")
	if _, err := os.Stat(filepath.Join(r.path, "etc/privhelper/rootwrap.d/net.filters")); err != nil {
		t.Errorf("removed, not purged, the policy is to stay: %v", err)
	}
	r.sh(t, "apt-get purge --yes privhelper\nuserdel netservice")
	if left := r.changed(t); len(left) > 0 {
		t.Errorf("purge leaves %q", left)
	}
}

// onlyLine: a text is one line about one file.
func onlyLine(text []byte, file string) bool {
	return bytes.Count(text, []byte("\n")) == 1 && strings.HasSuffix(string(text), " "+file+"\n")
}
