//go:build linux

package main_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestExplainColours: colours go to a terminal on standard output and nowhere else, whatever the other streams are.
func TestExplainColours(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "r.conf")
	for path, text := range map[string]string{
		config:             "[DEFAULT]\nfilters_path=" + dir + "\nexec_dirs=/usr/bin,/bin\n",
		dir + "/a.filters": "[Filters]\nlink: ArgvFilter, true, 65534:65534, set, up|down\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const red, green = "\x1b[1;31m", "\x1b[32m"
	for _, test := range []struct {
		args     string
		terminal bool
		want     []string
	}{
		{"true set mtu", true, []string{red + "refused", red + "mtu"}},
		{"true set up", true, []string{green + "allowed"}},
		{"true set mtu", false, nil},
		{"true set up", false, nil},
		{"--json true set mtu", true, nil},
	} {
		p := newPTY(t)
		cmd := exec.Command(binary(), append([]string{"explain", "--untrusted-files", "--config", config}, strings.Fields(test.args)...)...)
		var piped bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = p.terminal, &piped, p.terminal
		if test.terminal {
			cmd.Stdout = p.terminal
		}
		if err := cmd.Run(); cmd.ProcessState == nil {
			t.Fatal(err)
		}
		shown := (&screen{p: p}).rest() + piped.String()
		if shown == "" || strings.Contains(shown, "\x1b") != (test.want != nil) {
			t.Errorf("%s, terminal %v: %q", test.args, test.terminal, shown)
		}
		for _, want := range test.want {
			if !strings.Contains(shown, want) {
				t.Errorf("%s: %q has no %q", test.args, shown, want)
			}
		}
	}
}
