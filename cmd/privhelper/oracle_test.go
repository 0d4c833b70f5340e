//go:build linux

package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

// A configCase is one line of config_cases.jsonl: an odd configuration and what the real oslo-rootwrap did with it.
type configCase struct {
	Name       string
	Conf       *string // nil: there is no file
	Filters    string
	Argv       []string
	RC         int
	Stdout     string
	StderrLast string `json:"stderr_last"`
}

// oslo is the name by which the oracle called its command.
const oslo = "/usr/bin/oslo-rootwrap"

// TestConfigCases gives the oracle's configurations to the binary, called as oslo-rootwrap: exit code and standard output
// are equal, and so is the last line of standard error where it is the program's own. Where Python died with a traceback
// ours exits with 97 and says the place.
func TestConfigCases(t *testing.T) {
	testenv.NeedRoot(t) // policy must be root's
	oracle := testenv.Oracle(t)
	world := makeWorld(t, oracle)
	cases := readConfigCases(t, oracle)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			dir := filepath.Join(world, "..", "case-"+c.Name)
			config := c.write(t, dir, world)
			name := filepath.Join(base, "bin", "oslo-rootwrap")
			cmd := exec.Command(name, append([]string{config}, c.argv()...)...)
			cmd.Dir = world
			cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
				t.Fatal(err)
			}
			rc := cmd.ProcessState.ExitCode()
			if rc < 0 { // a parent of rootwrap sees the signal, which rootwrap makes 128+N of; ours is the command itself
				rc = 128 + int(signalOf(cmd.ProcessState))
			}
			lines := strings.Split(strings.TrimRight(stderr.String(), "\n"), "\n")
			last := lines[len(lines)-1]
			if c.traceback() {
				place := regexp.MustCompile(`: .*` + regexp.QuoteMeta(dir) + `/[a-z./]*:\d+: .`)
				if rc != 97 || stdout.Len() > 0 || !place.MatchString(last) {
					t.Errorf("exit code %d, %q, %q; want 97 and FILE:LINE: message for %s", rc, stdout.Bytes(), last, c.StderrLast)
				}
				return
			}
			want := strings.NewReplacer(oslo, name, "@D", dir).Replace(c.StderrLast)
			if rc != c.RC || stdout.String() != testenv.PythonBytes(strings.ReplaceAll(c.Stdout, "{WORLD}", world)) {
				t.Errorf("exit code %d, stdout %q, want %d, %q; stderr %q", rc, stdout.Bytes(), c.RC, c.Stdout, last)
			}
			if !strings.HasPrefix(last, want) || want == "" && last != "" {
				t.Errorf("stderr %q, want %q", last, want) // ours may go on, with the reason
			}
		})
	}
}

// traceback reports whether the Python program crashed. The shell's own errors have exit code 2.
func (c *configCase) traceback() bool { return c.RC == 1 }

func (c *configCase) argv() []string {
	var argv []string
	for _, a := range c.Argv {
		argv = append(argv, testenv.PythonBytes(a))
	}
	return argv
}

// write makes the folder of a case and returns the configuration's path. The option semantics goes below the others, and
// Python ignores it; an empty file and garbage stay as they are, for they cannot be parsed in any semantics.
func (c *configCase) write(t *testing.T, dir, world string) string {
	t.Helper()
	place := strings.NewReplacer("@D", dir, "@S", filepath.Join(world, "stubs"))
	if err := os.MkdirAll(filepath.Join(dir, "f.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "f.d", "f.filters"), []byte(place.Replace(c.Filters)), 0o644); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "r.conf")
	if c.Conf == nil {
		return config
	}
	text := place.Replace(*c.Conf)
	if strings.HasPrefix(text, "[DEFAULT]\n") {
		text += "semantics=oslo\n"
	}
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return config
}

func readConfigCases(t *testing.T, oracle string) []*configCase {
	t.Helper()
	f, err := os.Open(filepath.Join(oracle, "config_cases.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var cases []*configCase
	for lines := bufio.NewScanner(f); lines.Scan(); {
		c := new(configCase)
		if err := json.Unmarshal(testenv.PythonJSON(lines.Bytes()), c); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, c)
	}
	if len(cases) < 32 {
		t.Fatalf("only %d cases", len(cases))
	}
	return cases
}

// makeWorld builds the oracle's world in a folder that TestMain removes.
func makeWorld(t *testing.T, oracle string) string {
	t.Helper()
	world := filepath.Join(base, "oracle", "world")
	if err := os.MkdirAll(filepath.Dir(world), 0o755); err != nil {
		t.Fatal(err)
	}
	testenv.OracleWorld(t, oracle, world)
	return world
}
