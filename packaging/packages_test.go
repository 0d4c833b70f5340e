//go:build packages

// Package packaging_test builds the packages of the last commit and holds them to what is promised of them: files, owners
// and modes, the same bytes from the same commit, and what installing, upgrading and purging does to a Debian system.
// `make test-packages` runs it on a throw-away layer over this machine's own files, `make test-install` over a Debian that
// debootstrap made. Both need root, and packages: rpm, logrotate, mandoc, sudo, opendoas.
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

// packages are the files of one build.
type packages struct{ deb, rpm, selinuxDeb, selinuxRPM string }

// TestPackages builds a version and the next one, and shows them to each of the tests below.
func TestPackages(t *testing.T) {
	testenv.NeedRoot(t)
	tree, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	first := build(t, tree)
	next := build(t, nextVersion(t, tree))
	t.Run("reproducible", func(t *testing.T) { testReproducible(t, tree, first) })
	t.Run("files", func(t *testing.T) { testFiles(t, first) })
	t.Run("samples", func(t *testing.T) { testSamples(t, first) })
	t.Run("version", func(t *testing.T) { testVersion(t, first, next) })
	t.Run("deb", func(t *testing.T) { testDeb(t, first, next) })
	t.Run("rpm", func(t *testing.T) { testRPM(t, first, next) })
	if os.Getenv("PRIVHELPER_DEBIAN_ROOT") != "" { // half a minute of semodule: not in CI
		t.Run("selinux", func(t *testing.T) { testSELinux(t, first) })
	}
}

// build runs packaging/build of a tree, with what it is given besides in its environment.
func build(t *testing.T, tree string, env ...string) packages {
	t.Helper()
	out := t.TempDir()
	cmd := exec.Command(filepath.Join(tree, "packaging/build"), out)
	cmd.Env = append(os.Environ(), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	one := func(pattern string) string {
		found, err := filepath.Glob(filepath.Join(out, pattern))
		if err != nil || len(found) != 1 {
			t.Fatalf("%s: %q, %v", pattern, found, err)
		}
		return found[0]
	}
	return packages{one("privhelper_*.deb"), one("privhelper-0*.rpm"), one("privhelper-selinux_*.deb"), one("privhelper-selinux-0*.rpm")}
}

// nextVersion returns a clone of the tree with one commit more, which changes both configuration files.
func nextVersion(t *testing.T, tree string) string {
	t.Helper()
	clone := t.TempDir()
	testenv.Output(t, exec.Command("git", "clone", "--quiet", "--shared", tree, clone))
	for _, name := range []string{"etc/privhelper/privhelper.conf", "etc/logrotate.d/privhelper"} {
		text, err := os.ReadFile(filepath.Join(clone, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(clone, name), append([]byte("# Of the next version.\n"), text...), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	testenv.Output(t, exec.Command("git", "-C", clone, "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "--quiet", "--all", "--message=next"))
	return clone
}

// testReproducible: who builds the same commit elsewhere, with another umask, time zone and language, gets the same bytes.
func testReproducible(t *testing.T, tree string, first packages) {
	clone := t.TempDir()
	testenv.Output(t, exec.Command("git", "clone", "--quiet", tree, clone))
	old := umask(0o077)
	second := build(t, clone, "TZ=Asia/Tokyo", "LC_ALL=C.UTF-8", "GOFLAGS=-buildvcs=false")
	umask(old)
	for _, pair := range [][2]string{{first.deb, second.deb}, {first.rpm, second.rpm}, {first.selinuxDeb, second.selinuxDeb}, {first.selinuxRPM, second.selinuxRPM}} {
		a, err := os.ReadFile(pair[0])
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(pair[1])
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) || filepath.Base(pair[0]) != filepath.Base(pair[1]) {
			t.Errorf("%s and %s differ", pair[0], pair[1])
		}
	}
}

// testVersion: the package's version is that of the executable's build info, and a later commit's is newer.
func testVersion(t *testing.T, first, next packages) {
	version := strings.TrimSpace(string(testenv.Output(t, exec.Command("dpkg-deb", "--field", first.deb, "Version"))))
	root := unpacked(t, first.deb)
	says := strings.Fields(string(testenv.Output(t, exec.Command(filepath.Join(root, "usr/bin/privhelper"), "version"))))
	release, revision := strings.ReplaceAll(says[1], "-", "~"), strings.Trim(says[2], "(,")
	if !strings.HasPrefix(version, release) || len(revision) != 40 || strings.Contains(release, "~") && !strings.HasSuffix(version, "+"+revision[:12]) {
		t.Errorf("the package is %s, the executable %q", version, says)
	}
	sbom, err := os.ReadFile(filepath.Join(root, "usr/share/doc/privhelper/sbom.txt"))
	if err != nil {
		t.Fatal(err)
	}
	info := testenv.Output(t, exec.Command("go", "version", "-m", filepath.Join(root, "usr/bin/privhelper")))
	_, mods, _ := bytes.Cut(info, []byte("\n")) // the first line has the executable's path
	if !bytes.HasSuffix(sbom, mods) || !bytes.Contains(sbom, []byte("vcs.revision="+revision)) || !bytes.Contains(sbom, []byte("vcs.modified=false")) {
		t.Errorf("sbom.txt is not of the executable:\n%s\n%s", sbom, info)
	}
	later := strings.TrimSpace(string(testenv.Output(t, exec.Command("dpkg-deb", "--field", next.deb, "Version"))))
	if err := exec.Command("dpkg", "--compare-versions", later, "gt", version).Run(); err != nil {
		t.Errorf("%s is not newer than %s", later, version)
	}
}

// unpacked returns a folder with what a .deb holds.
func unpacked(t *testing.T, deb string) string {
	t.Helper()
	root := t.TempDir()
	testenv.Output(t, exec.Command("dpkg-deb", "--extract", deb, root))
	return root
}
