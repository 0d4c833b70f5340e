//go:build linux

package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

// TestUnits: systemd takes the units, as they will be installed; one with an unknown directive it does not take.
func TestUnits(t *testing.T) {
	analyze := testenv.NeedProgram(t, "systemd-analyze", "systemd")
	root := t.TempDir()
	units := filepath.Join(root, "etc/systemd/system")
	for _, dir := range []string{units, filepath.Join(root, "usr/bin"), filepath.Join(root, "bin"), filepath.Join(root, "usr/lib/systemd")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(root, "usr/lib/systemd/system"), os.DirFS("/lib/systemd/system")); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{binary(): "usr/bin/privhelper", "/bin/kill": "bin/kill"} {
		text, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(root, to), text, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	names := []string{"privhelper.socket", "privhelper.service", "privhelper@.socket", "privhelper@.service"}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join("..", "..", "etc/systemd/system", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(units, name), text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	verify := func(names ...string) (string, error) {
		args := []string{"verify", "--man=no", "--root=" + root}
		for _, name := range names {
			args = append(args, strings.Replace(name, "@", "@net", 1))
		}
		out, err := exec.Command(analyze, args...).CombinedOutput()
		return string(out), err
	}
	if out, err := verify(names...); err != nil || out != "" {
		t.Errorf("%v\n%s", err, out)
	}
	if err := os.WriteFile(filepath.Join(units, "broken.service"), []byte("[Service]\nExecStart=/usr/bin/privhelper serve\nHardened=yes\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, _ := verify("broken.service"); !strings.Contains(out, "Hardened") {
		t.Errorf("an unknown directive was not seen: %q", out)
	}
}

// TestUnitsSpoilNoCommand: systemd takes these too.
func TestUnitsSpoilNoCommand(t *testing.T) {
	spoils := regexp.MustCompile(`(?m)^(RestrictNamespaces|PrivateTmp|PrivateMounts|PrivateDevices|PrivateUsers|Protect(System|Home|Clock|Proc|KernelLogs|KernelModules|KernelTunables|ControlGroups)|(ReadOnly|ReadWrite|Inaccessible)Paths|DevicePolicy|DeviceAllow|NoNewPrivileges)=.*`)
	for _, name := range []string{"privhelper.service", "privhelper@.service"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "etc/systemd/system", name))
		if found := spoils.FindAllString(string(text), -1); err != nil || len(found) > 0 {
			t.Errorf("%s: %q: the comment above CapabilityBoundingSet= says what that does to commands; %v", name, found, err)
		}
	}
}

// TestTemplates: the template of a unit says what the unit says, of another name.
func TestTemplates(t *testing.T) {
	for _, kind := range []string{"socket", "service"} {
		var texts [2][]string
		for i, name := range []string{"privhelper.", "privhelper@."} {
			text, err := os.ReadFile(filepath.Join("..", "..", "etc/systemd/system", name+kind))
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(strings.ReplaceAll(strings.ReplaceAll(string(text), "privhelper@%i.", "privhelper."), "/%i.", "/privhelper.")) {
				if !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "Description=") {
					texts[i] = append(texts[i], line)
				}
			}
		}
		if !slices.Equal(texts[0], texts[1]) {
			t.Errorf("%s: %q\n%q", kind, texts[0], texts[1])
		}
	}
}

// TestInstalledPaths: folder and group come out as the service wants them, where systemd makes them.
func TestInstalledPaths(t *testing.T) {
	testenv.NeedRoot(t)
	tmpfiles, sysusers := testenv.NeedProgram(t, "systemd-tmpfiles", "systemd"), testenv.NeedProgram(t, "systemd-sysusers", "systemd")
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	abs := func(name string) string {
		path, err := filepath.Abs(filepath.Join("..", "..", "etc", name, "privhelper.conf"))
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	testenv.Output(t, exec.Command(sysusers, "--root="+root, abs("sysusers.d")))
	testenv.Output(t, exec.Command(tmpfiles, "--root="+root, "--create", abs("tmpfiles.d")))
	if st, err := os.Stat(filepath.Join(root, "run/privhelper")); err != nil || st.Mode() != os.ModeDir|0o755 {
		t.Errorf("%v, %v", st, err)
	}
	if text, err := os.ReadFile(filepath.Join(root, "etc/group")); err != nil || !strings.HasPrefix(string(text), "privhelper:") {
		t.Errorf("%q, %v", text, err)
	}
}
