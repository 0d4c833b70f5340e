//go:build packages

package packaging_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

// listing is what the package privhelper installs outside /usr/share/doc, all of it root's.
var listing = map[string]string{
	"/etc/logrotate.d/privhelper":                          "0644",
	"/etc/privhelper":                                      "0755 folder",
	"/etc/privhelper/privhelper.conf":                      "0644",
	"/etc/privhelper/rootwrap.d":                           "0755 folder",
	"/usr/bin/privhelper":                                  "0755",
	"/usr/lib/systemd/system/privhelper.service":           "0644",
	"/usr/lib/systemd/system/privhelper.socket":            "0644",
	"/usr/lib/systemd/system/privhelper@.service":          "0644",
	"/usr/lib/systemd/system/privhelper@.socket":           "0644",
	"/usr/lib/sysusers.d/privhelper.conf":                  "0644",
	"/usr/lib/tmpfiles.d/privhelper.conf":                  "0644",
	"/usr/share/bash-completion/completions/privhelper":    "0644",
	"/usr/share/fish/vendor_completions.d/privhelper.fish": "0644",
	"/usr/share/man/man5/privhelper-audit.5.gz":            "0644",
	"/usr/share/man/man5/privhelper-filters.5.gz":          "0644",
	"/usr/share/man/man5/privhelper.conf.5.gz":             "0644",
	"/usr/share/man/man8/privhelper.8.gz":                  "0644",
}

// configuration is what an upgrade keeps.
var configuration = []string{"/etc/logrotate.d/privhelper", "/etc/privhelper/privhelper.conf"}

// testFiles: the packages hold these files and no others, in these modes, of root and root, and nothing is setuid.
func testFiles(t *testing.T, built packages) {
	deb, rpm := maps.Clone(listing), maps.Clone(listing)
	deb["/usr/share/zsh/vendor-completions/_privhelper"] = "0644"
	rpm["/usr/share/zsh/site-functions/_privhelper"] = "0644"
	compare(t, "deb", inDeb(t, built.deb), deb)
	compare(t, "rpm", inRPM(t, built.rpm), rpm)

	conffiles := strings.Fields(string(testenv.Output(t, exec.Command("dpkg-deb", "--info", built.deb, "conffiles"))))
	noreplace := strings.Fields(string(testenv.Output(t, exec.Command("rpm", "-qp", "--queryformat", `[%{FILEFLAGS:fflags} %{FILENAMES}\n]`, built.rpm))))
	var kept []string
	for i, word := range noreplace {
		if word == "cn" {
			kept = append(kept, noreplace[i+1])
		}
	}
	slices.Sort(conffiles)
	if !slices.Equal(conffiles, configuration) || !slices.Equal(kept, configuration) {
		t.Errorf("an upgrade keeps %q (deb) and %q (rpm), not %q", conffiles, kept, configuration)
	}

	module := map[string]string{"/usr/share/selinux/privhelper": "0755 folder", "/usr/libexec/privhelper": "0755 folder", "/usr/libexec/privhelper/selinux-load": "0755", "/usr/share/selinux/devel/include/contrib/privhelper.if": "0644"}
	for _, name := range []string{"Makefile", "privhelper.fc", "privhelper.if", "privhelper.te"} {
		module["/usr/share/selinux/privhelper/"+name] = "0644"
	}
	compare(t, "selinux deb", inDeb(t, built.selinuxDeb), module)
	compare(t, "selinux rpm", inRPM(t, built.selinuxRPM), module)
}

// compare reports where a package's files are not the wanted ones. Documents are not listed one by one: they are files of
// mode 0644 in folders of mode 0755.
func compare(t *testing.T, kind string, got, want map[string]string) {
	t.Helper()
	for name, what := range got {
		switch {
		case strings.HasPrefix(name, "/usr/share/doc/privhelper"):
			if what != "0644" && what != "0755 folder" {
				t.Errorf("%s: %s is %s", kind, name, what)
			}
		case want[name] == "" && strings.HasSuffix(what, " folder"): // of the system, which the package only passes through
			if what != "0755 folder" {
				t.Errorf("%s: %s is %s", kind, name, what)
			}
		case what != want[name]:
			t.Errorf("%s: %s is %s, want %q", kind, name, what, want[name])
		}
	}
	for name := range want {
		if got[name] == "" {
			t.Errorf("%s: %s is missing", kind, name)
		}
	}
}

// inDeb lists a .deb: path to mode, with what is not an ordinary file of root's said.
func inDeb(t *testing.T, deb string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for r := tar.NewReader(bytes.NewReader(testenv.Output(t, exec.Command("dpkg-deb", "--fsys-tarfile", deb)))); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		kind := map[byte]string{tar.TypeReg: "", tar.TypeDir: " folder"}
		what, known := kind[h.Typeflag]
		if !known {
			what = fmt.Sprintf(" type %c", h.Typeflag)
		}
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "root" || h.Gname != "root" {
			what += fmt.Sprintf(" of %d:%d %s:%s", h.Uid, h.Gid, h.Uname, h.Gname)
		}
		files[path.Clean("/"+h.Name)] = fmt.Sprintf("%04o", h.Mode) + what
	}
}

// inRPM lists an .rpm in the same way.
func inRPM(t *testing.T, rpm string) map[string]string {
	t.Helper()
	files := map[string]string{}
	out := testenv.Output(t, exec.Command(testenv.NeedProgram(t, "rpm", "rpm"), "-qp", "--queryformat", `[%{FILEMODES:octal} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILENAMES}\n]`, rpm))
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		what, isFile := strings.CutPrefix(f[0], "10")
		if folder, isFolder := strings.CutPrefix(f[0], "4"); !isFile && isFolder {
			what = folder + " folder"
		}
		if f[1] != "root:root" {
			what += " of " + f[1]
		}
		files[f[2]] = what
	}
	return files
}

// testSamples: those who read the samples and documents take them, as they lie in the package.
func testSamples(t *testing.T, built packages) {
	root := unpacked(t, built.deb)
	examples := filepath.Join(root, "usr/share/doc/privhelper/examples")
	visudo := testenv.NeedProgram(t, "visudo", "sudo")
	for _, name := range []string{"privhelper", "openstack"} {
		sample := filepath.Join(examples, "sudoers.d", name)
		if err := os.Chmod(sample, 0o440); err != nil {
			t.Fatal(err)
		}
		testenv.Output(t, exec.Command(visudo, "-c", "-f", sample))
	}

	// doas answers for who asks: the sample's line with nobody in the place of its user.
	doas := filepath.Join(examples, "doas.conf")
	testenv.Output(t, exec.Command(testenv.NeedProgram(t, "doas", "opendoas"), "-C", doas))
	text, err := os.ReadFile(doas)
	if err != nil {
		t.Fatal(err)
	}
	mine := filepath.Join(t.TempDir(), "doas.conf")
	if err := os.WriteFile(mine, bytes.ReplaceAll(text, []byte("netservice"), []byte("nobody")), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(filepath.Dir(mine)), 0o755); err != nil { // nobody reads it
		t.Fatal(err)
	}
	ask := func(args ...string) string {
		cmd := exec.Command("doas", append([]string{"-C", mine, "/usr/bin/privhelper"}, args...)...)
		testenv.AsUser(t, cmd)
		out, _ := cmd.CombinedOutput() // it ends with 1 for a refusal
		return strings.TrimSpace(string(out))
	}
	if got := ask("daemon", "--config", "/etc/privhelper/privhelper.conf"); got != "permit nopass" {
		t.Errorf("doas says %q to the pinned command", got)
	}
	if got := ask("daemon", "--config", "/tmp/mine.conf"); got != "deny" {
		t.Errorf("doas says %q to a configuration of the user's own", got)
	}

	testenv.Output(t, exec.Command(testenv.NeedProgram(t, "logrotate", "logrotate"), "--debug", "--state", filepath.Join(t.TempDir(), "state"), filepath.Join(root, "etc/logrotate.d/privhelper")))

	pages, err := filepath.Glob(filepath.Join(root, "usr/share/man/man*/*.gz"))
	if err != nil || len(pages) != 4 {
		t.Fatalf("%q, %v", pages, err)
	}
	mandoc := testenv.NeedProgram(t, "mandoc", "mandoc")
	for _, page := range pages {
		if out, err := exec.Command(mandoc, "-T", "lint", "-W", "warning", page).CombinedOutput(); err != nil {
			t.Errorf("%s: %s", filepath.Base(page), out)
		}
	}
}
