//go:build linux

package main_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

// TestCheckGivesUpRoot looks at every thread of a check that has read policy which only root may read: while its output is
// not taken it cannot end.
func TestCheckGivesUpRoot(t *testing.T) {
	config := policy(t, "true: CommandFilter, true, root\n")
	for _, path := range []string{config, filepath.Join(filepath.Dir(config), "one.filters")} {
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.OpenFile(config, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5000 { // a warning each, together more than a pipe holds
		fmt.Fprintf(f, "unknown_%d = 1\n", i)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	dacReadSearch := "0000000000000004"
	none := "0000000000000000"
	for name, test := range map[string]struct {
		prefix []string
		uid    string
		caps   string
	}{
		"root":                                {nil, "65534", dacReadSearch},
		"a container without DAC_READ_SEARCH": {[]string{"setpriv", "--bounding-set=-dac_read_search"}, "0", none},
		"a user namespace of one user":        {[]string{"unshare", "--user", "--map-root-user"}, "0", none},
		"root with inheritable capabilities":  {[]string{"setpriv", "--inh-caps=+sys_admin", "--ambient-caps=+sys_admin"}, "65534", dacReadSearch},
	} {
		t.Run(name, func(t *testing.T) {
			argv := append(test.prefix, binary(), "check", "--config", filepath.Base(config))
			if strings.Contains(name, "namespace") {
				testenv.InUserNamespace(t, exec.Command("true")) // or says why it cannot be
				argv = append(argv, "--untrusted-files")         // root's files are nobody's there
			}
			cmd := exec.Command(argv[0], argv[1:]...)
			cmd.Dir = filepath.Dir(config)
			cmd.Stderr = os.Stderr
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Wait()
			said := bufio.NewReaderSize(out, 16)
			if _, err := said.ReadByte(); err != nil {
				t.Fatalf("it said nothing: %v", err)
			}
			tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", cmd.Process.Pid))
			if err != nil || len(tasks) < 2 {
				t.Fatalf("%d threads, %v", len(tasks), err)
			}
			for _, task := range tasks {
				status, err := os.ReadFile(task)
				if err != nil {
					t.Fatal(err)
				}
				for _, want := range []string{"CapInh:\t" + none, "CapPrm:\t" + test.caps, "CapEff:\t" + test.caps, "CapAmb:\t" + none, "NoNewPrivs:\t1"} {
					if !strings.Contains(string(status), want+"\n") {
						t.Errorf("%s: no %q in\n%s", task, want, status)
					}
				}
				if test.uid != "0" && !strings.Contains(string(status), "Uid:"+strings.Repeat("\t"+test.uid, 4)+"\n") {
					t.Errorf("%s: uid is not %s:\n%s", task, test.uid, status)
				}
				if test.caps != none && !strings.Contains(string(status), "CapBnd:\t"+test.caps+"\n") {
					t.Errorf("%s: the bounding set is wider:\n%s", task, status)
				}
			}
			rest, err := io.ReadAll(said)
			if err != nil {
				t.Fatal(err)
			}
			if last := "r.conf: 2 files, 1 rules"; !strings.Contains(string(rest), last) {
				t.Errorf("no %q at the end of %d bytes", last, len(rest))
			}
		})
	}
}
