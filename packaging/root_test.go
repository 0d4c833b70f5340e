//go:build packages

package packaging_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

func umask(mask int) int { return syscall.Umask(mask) }

// A root is a Debian system to change: a layer over another one's files, which stay as they are.
type root struct {
	path  string // where it is whole
	upper string // what was changed
}

// newRoot lays a layer over $PRIVHELPER_DEBIAN_ROOT, or over this machine's own files.
func newRoot(t *testing.T) root {
	t.Helper()
	lower := os.Getenv("PRIVHELPER_DEBIAN_ROOT")
	if lower == "" {
		lower = "/"
	}
	return newRootOver(t, lower)
}

// newRootOver lays it over another folder's files.
func newRootOver(t *testing.T, lower string) root {
	t.Helper()
	dir := t.TempDir()
	mount := func(source, target, kind string, flags uintptr, options string) {
		t.Helper()
		if err := os.MkdirAll(target, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mount(source, target, kind, flags, options); err != nil {
			testenv.Miss(t, "mount "+target+": "+err.Error())
		}
		t.Cleanup(func() {
			if err := syscall.Unmount(target, syscall.MNT_DETACH); err != nil {
				t.Errorf("unmount %s: %v", target, err)
			}
		})
	}
	layer, path := filepath.Join(dir, "layer"), filepath.Join(dir, "root")
	mount("tmpfs", layer, "tmpfs", 0, "mode=0755")
	upper, work := filepath.Join(layer, "upper"), filepath.Join(layer, "work")
	for _, name := range []string{upper, work} {
		if err := os.Mkdir(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mount("overlay", path, "overlay", 0, "lowerdir="+lower+",upperdir="+upper+",workdir="+work)
	mount("proc", filepath.Join(path, "proc"), "proc", 0, "")
	mount("/dev", filepath.Join(path, "dev"), "", syscall.MS_BIND, "")
	mount("tmpfs", filepath.Join(path, "run"), "tmpfs", 0, "mode=0755")
	return root{path, upper}
}

// command is a command in the root, with a plain environment. systemctl does there what it can without a systemd.
func (r root) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command("chroot", append([]string{r.path, name}, args...)...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", "HOME=/root", "SYSTEMD_OFFLINE=1"}
	return cmd
}

// sh runs a script as an administrator types it, line by line, and stops where one fails.
func (r root) sh(t *testing.T, script string) string {
	t.Helper()
	cmd := r.command("bash", "-euo", "pipefail")
	cmd.Stdin = strings.NewReader(script)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, script, out)
	}
	return string(out)
}

// take copies a file into the root's /root.
func (r root) take(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(filepath.Join(r.path, "root", filepath.Base(file)), text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// read returns a file of the root.
func (r root) read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.path, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// write makes a file of the root's root.
func (r root) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(r.path, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// changed lists what is not as it was below the layer, in /run, or gone from there, apart from what apt, dpkg, rpm and the
// tools of users keep of every change.
func (r root) changed(t *testing.T) []string {
	t.Helper()
	var list []string
	for _, top := range []string{r.upper, filepath.Join(r.path, "run")} {
		err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() && path == top {
				return err
			}
			name := strings.TrimPrefix(strings.TrimPrefix(path, r.upper), r.path)
			for _, keeps := range []string{"/var/lib/dpkg", "/var/lib/apt", "/var/lib/rpm", "/var/cache/apt", "/var/log/dpkg.log", "/var/log/apt", "/root", "/usr/lib/sysimage/rpm",
				"/var/lib/systemd/deb-systemd-helper-enabled", "/var/cache/man", "/var/cache/ldconfig", "/run/lock", "/etc/.pwd.lock", "/var/cache/debconf"} {
				if name == keeps || strings.HasPrefix(name, keeps+"/") {
					return nil
				}
			}
			if base := strings.TrimSuffix(filepath.Base(name), "-"); filepath.Dir(name) == "/etc" && (base == "group" || base == "gshadow" || base == "passwd" || base == "shadow" || base == "subuid" || base == "subgid") {
				return nil
			}
			if !d.IsDir() || strings.Contains(name, "privhelper") { // a folder that is only a way to something is not a change
				list = append(list, name)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if bytes.Contains(r.read(t, "etc/group"), []byte("privhelper:")) {
		list = append(list, "the group privhelper")
	}
	return list
}
