//go:build linux

package host_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/internal/testenv"
)

// An oracleCase is one line of cases.jsonl: what oslo.rootwrap itself answered.
type oracleCase struct {
	ID, Set, Tag, Config string
	Argv                 []string
	Procs                map[string]struct{ Exe, State string }
	Answer               struct {
		Outcome     string
		FilterName  string `json:"filter_name"`
		FilterClass string `json:"filter_class"`
		RunAs       string `json:"run_as"`
		Command     []string
		Env         map[string]string
	}
}

// rootDir returns a folder that is trusted where the test runs as root: below /tmp nothing of policy is.
func rootDir(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp("/var/lib", "privhelper-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// options trusts files by owner only where the test can make trusted ones.
func options() host.Options { return host.Options{UntrustedFiles: os.Geteuid() != 0} }

// makeWorld builds the oracle's world in a new folder.
func makeWorld(t *testing.T, oracle string) string {
	t.Helper()
	world := filepath.Join(rootDir(t), "world")
	testenv.OracleWorld(t, oracle, world)
	return world
}

func readCases(t *testing.T, oracle, world string) []*oracleCase {
	t.Helper()
	name := filepath.Join(oracle, "cases.jsonl")
	if other := os.Getenv("PRIVHELPER_ORACLE_CASES"); other != "" {
		name = other
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var cases []*oracleCase
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	place := func(s string) string { return testenv.PythonBytes(strings.ReplaceAll(s, "{WORLD}", world)) }
	for lines.Scan() {
		c := new(oracleCase)
		if err := json.Unmarshal(testenv.PythonJSON(lines.Bytes()), c); err != nil {
			t.Fatal(err)
		}
		c.Config = place(c.Config)
		for i := range c.Argv {
			c.Argv[i] = place(c.Argv[i])
		}
		for i := range c.Answer.Command {
			c.Answer.Command[i] = place(c.Answer.Command[i])
		}
		for name, value := range c.Answer.Env {
			c.Answer.Env[name] = place(value)
		}
		for name, p := range c.Procs {
			p.Exe = place(p.Exe)
			c.Procs[name] = p
		}
		cases = append(cases, c)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 1000 {
		t.Fatalf("only %d cases in %s", len(cases), name)
	}
	return cases
}

// start runs the processes of a case as oracle.py does, puts their pids into argv and command, and returns what ends
// them.
func (c *oracleCase) start(t *testing.T) (argv, command []string, stop func()) {
	t.Helper()
	argv, command = slices.Clone(c.Argv), slices.Clone(c.Answer.Command)
	var stops []func()
	for name, p := range c.Procs {
		kept, keptErr := os.ReadFile(p.Exe)
		copyProgram(t, "/bin/sleep", p.Exe)
		cmd := exec.Command(p.Exe, "60")
		if err := cmd.Start(); err != nil { // returns after the exec
			t.Fatal(err)
		}
		if p.State == "deleted" || p.State == "replaced" {
			if err := os.Remove(p.Exe); err != nil {
				t.Fatal(err)
			}
		}
		if p.State == "replaced" {
			copyProgram(t, "/bin/sleep", p.Exe)
		}
		for i := range argv {
			argv[i] = strings.ReplaceAll(argv[i], "${"+name+"}", fmt.Sprint(cmd.Process.Pid))
		}
		for i := range command {
			command[i] = strings.ReplaceAll(command[i], "${"+name+"}", fmt.Sprint(cmd.Process.Pid))
		}
		stops = append(stops, func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			_ = os.Remove(p.Exe)
			if keptErr == nil {
				if err := os.WriteFile(p.Exe, kept, 0o755); err != nil {
					t.Error(err)
				}
			}
		})
	}
	return argv, command, func() {
		for _, s := range stops {
			s()
		}
	}
}

// copyProgram makes a new file. A child of another test that has not executed yet may hold it open for writing, which
// Go cannot exclude (golang/go#22315); so another process makes it.
func copyProgram(t *testing.T, from, to string) {
	t.Helper()
	out, err := exec.Command("/bin/sh", "-c", `umask 022; mkdir -p "$(dirname "$2")" && rm -f "$2" && cp "$1" "$2" && chmod 755 "$2"`, "sh", from, to).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// loader loads each configuration once.
type loader struct {
	semantics filters.Semantics
	loaded    map[string]*host.Loaded
	errs      map[string]error
}

func (l *loader) load(t *testing.T, config string) (*host.Loaded, error) {
	t.Helper()
	if l.loaded == nil {
		l.loaded, l.errs = make(map[string]*host.Loaded), make(map[string]error)
	}
	if _, ok := l.errs[config]; !ok {
		// Python ignores the option; one file serves both.
		name := strings.TrimSuffix(config, ".conf") + "-" + l.semantics.String() + ".conf"
		text, err := os.ReadFile(config)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, "\nsemantics = "+l.semantics.String()+"\n"...)
		if err := os.WriteFile(name, text, 0o644); err != nil {
			t.Fatal(err)
		}
		l.loaded[config], l.errs[config] = host.Load(name, options())
	}
	return l.loaded[config], l.errs[config]
}
