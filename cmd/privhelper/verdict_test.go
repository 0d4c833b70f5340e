//go:build linux

package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
)

// TestOneVerdict: explain, run, rootwrap and a daemon give one verdict, and what they run gets the same: of its caller,
// who tries to hand on what it can, nothing. sudo's CVE-2025-32462 was a list that was judged otherwise than a run.
func TestOneVerdict(t *testing.T) {
	secret := filepath.Join(writable(t), "file")
	if err := os.WriteFile(secret, []byte("what the file holds\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := policy(t, "root: CommandFilter, "+program("tell")+", root\n"+
		"nobody: RegExpFilter, "+program("tell")+", nobody, tell-as-nobody, [a-z]*\n"+
		"ids: RegExpFilter, "+program("tell")+", 4321:4322, tell-as-ids\n"+
		"env: EnvFilter, env, root, COLOUR=, SHAPE=round, "+program("probe")+"\n"+
		"file: ReadFileFilter, "+secret+"\n"+
		"gone: CommandFilter, /usr/bin/no-such-program, root\n")
	f, err := os.OpenFile(config, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("capabilities=CAP_NET_ADMIN,CAP_KILL\nrlimit_nofile=100\n"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	c, err := client.Start(context.Background(), client.Config{Launcher: &client.Prefix{
		// The caller's doing: a folder, a umask, descriptors, variables, ignored signals.
		Command: []string{"sh", "-c", hostile + ` "$@"`, "sh"}, Path: binary(), Args: []string{"daemon", "--config", config}}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, test := range []struct {
		argv    []string
		outcome string
	}{
		{[]string{program("tell"), "some", "", "words"}, "match"},
		{[]string{"tell", "by", "name"}, "match"},
		{[]string{"tell-as-nobody", "words"}, "match"},
		{[]string{"tell-as-nobody", "Words"}, "unauthorized"},
		{[]string{"tell-as-nobody", "words", "more"}, "unauthorized"},
		{[]string{"tell-as-ids"}, "match"},
		{[]string{"env", "COLOUR=blue", "SHAPE=square", program("probe"), "/dev/stdout"}, "unauthorized"},
		{[]string{"cat", secret}, "match"},
		{[]string{"cat", secret, "/etc/shadow"}, "unauthorized"},
		{[]string{"cat", secret + "/../file"}, "unauthorized"},
		{[]string{"/usr/bin/no-such-program"}, "not_executable"},
		{[]string{"sh"}, "unauthorized"},
	} {
		t.Run(fmt.Sprintf("%.80q", test.argv), func(t *testing.T) {
			var v verdict
			text, err := exec.Command(binary(), append([]string{"explain", "--config", config, "--json", "--"}, test.argv...)...).Output()
			if err := json.Unmarshal(text, &v); err != nil {
				t.Fatal(err)
			}
			if v.Outcome != test.outcome {
				t.Errorf("explain says %s (%v), want %s", v.Outcome, err, test.outcome)
			}
			want := map[string]int{"match": 0, "unauthorized": 99, "not_executable": 96}[test.outcome]
			printed := map[string]string{}
			for name, form := range map[string][]string{"run": {"run", "--config", config, "--"}, "rootwrap": {"rootwrap", config}} {
				cmd := exec.Command("sh", append(append([]string{"-c", hostile + ` "$@"`, "sh", binary()}, form...), test.argv...)...)
				out, err := cmd.Output()
				if code := cmd.ProcessState.ExitCode(); code != want {
					t.Errorf("%s: exit code %d, want %d: %v", name, code, want, err)
				}
				printed[name] = string(out)
			}
			out, err := c.Command(test.argv[0], test.argv[1:]...).Output()
			printed["daemon"] = string(out)
			switch code := map[string]error{"unauthorized": privsep.CodeDenied, "not_executable": privsep.CodeNotExecutable}[test.outcome]; {
			case code == nil && err != nil, code != nil && !errors.Is(err, code):
				t.Errorf("daemon: %v, want %v", err, code)
			}
			for name, out := range printed {
				if out != printed["run"] {
					t.Errorf("%s printed\n%s\nand run\n%s", name, out, printed["run"])
				}
				if (out == "") != (want != 0) {
					t.Errorf("%s printed %q", name, out)
				}
			}
			if strings.Contains(printed["run"], "arguments") {
				isUntouched(t, printed["run"])
			}
		})
	}
}

// hostile is a caller that hands on what it can.
const hostile = `cd /tmp; umask 000; trap "" HUP INT QUIT TERM USR1 USR2 PIPE CHLD; exec 7</etc/passwd 8>&1 9</; ulimit -Sn 200
export LD_PRELOAD=/nonexistent.so BASH_ENV=/tmp/x HOME=/tmp IFS=x COLOUR=blue GODEBUG=netdns=go TERM=evil; exec`

// isUntouched looks for anything of hostile.
func isUntouched(t *testing.T, told string) {
	t.Helper()
	var want bytes.Buffer
	fmt.Fprintf(&want, "folder /\numask 022\n")
	if !strings.Contains(told, want.String()) {
		t.Errorf("no %q in\n%s", want.String(), told)
	}
	for _, line := range []string{"open 0\nopen 1\nopen 2\nhard limit", "soft 100\n", "SigBlk:\t0000000000000000\n", "SigIgn:\t0000000000000000\n",
		"CapInh:\t0000000000000000\n", "CapAmb:\t0000000000000000\n"} {
		if !strings.Contains(told, line) {
			t.Errorf("no %q in\n%s", line, told)
		}
	}
	for _, line := range []string{"COLOUR", "LD_PRELOAD", "BASH_ENV", "IFS", "GODEBUG", "TERM", "/tmp"} {
		if strings.Contains(told, line) {
			t.Errorf("%q in\n%s", line, told)
		}
	}
}
