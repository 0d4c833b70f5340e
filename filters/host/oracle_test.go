//go:build linux

package host_test

import (
	"bufio"
	"bytes"
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

// oracleFolder finds the oracle: by PRIVHELPER_ORACLE, or beside the module.
func oracleFolder(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("PRIVHELPER_ORACLE"); dir != "" {
		return dir
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for dir != "/" {
		if o := filepath.Join(dir, "../shared/oracle"); exists(filepath.Join(o, "make_world.py")) {
			return o
		}
		dir = filepath.Dir(dir)
	}
	testenv.Miss(t, "needs the oracle: set PRIVHELPER_ORACLE to its folder")
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
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
	python := testenv.NeedProgram(t, "python3", "python3")
	world := filepath.Join(rootDir(t), "world")
	cmd := exec.Command("/bin/sh", "-c", `umask 022; exec "$@"`, "sh", python, filepath.Join(oracle, "make_world.py"), world)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make_world.py: %v\n%s", err, out)
	}
	return world
}

// surrogates turns U+DCNN, which stands for byte 0xNN, into that byte; encoding/json would replace it.
func surrogates(line []byte) []byte {
	const mark = "\U0010fff0"
	var out bytes.Buffer
	for i := 0; i < len(line); i++ {
		switch {
		case line[i] != '\\':
			out.WriteByte(line[i])
		case i+5 < len(line) && line[i+1] == 'u' && strings.EqualFold(string(line[i+2:i+4]), "dc") && !highBefore(line, i):
			fmt.Fprintf(&out, "%s%s", mark, line[i+4:i+6])
			i += 5
		default:
			out.Write(line[i : i+2])
			i++
		}
	}
	return out.Bytes()
}

// highBefore reports whether the escape at i is the second half of a pair.
func highBefore(line []byte, i int) bool {
	if i < 6 || line[i-6] != '\\' || line[i-5] != 'u' {
		return false
	}
	s := strings.ToLower(string(line[i-4 : i-2]))
	return s == "d8" || s == "d9" || s == "da" || s == "db"
}

// restore undoes surrogates after decoding.
func restore(s string) string {
	for {
		before, after, found := strings.Cut(s, "\U0010fff0")
		if !found {
			return s
		}
		var b byte
		if _, err := fmt.Sscanf(after[:2], "%02x", &b); err != nil {
			panic(err)
		}
		s = before + string([]byte{b}) + after[2:]
	}
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
	place := func(s string) string { return restore(strings.ReplaceAll(s, "{WORLD}", world)) }
	for lines.Scan() {
		c := new(oracleCase)
		if err := json.Unmarshal(surrogates(lines.Bytes()), c); err != nil {
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

// TestOracleOslo: the oslo semantics gives rootwrap's own verdicts.
func TestOracleOslo(t *testing.T) {
	oracle := oracleFolder(t)
	world := makeWorld(t, oracle)
	t.Chdir(world)
	l := &loader{semantics: filters.Oslo}
	equal := 0
	for _, c := range readCases(t, oracle, world) {
		argv, command, stop := c.start(t)
		if difference := c.compareOslo(t, l, argv, command); difference != "" {
			t.Errorf("%s %s %s %q: %s", c.ID, c.Set, c.Tag, c.Argv, difference)
		} else {
			equal++
		}
		stop()
	}
	t.Logf("%d cases equal", equal)
}

func (c *oracleCase) compareOslo(t *testing.T, l *loader, argv, command []string) string {
	loaded, err := l.load(t, c.Config)
	want := c.Answer
	if err != nil {
		if want.Outcome == "config_error" || want.Outcome == "error" {
			return ""
		}
		return fmt.Sprintf("Load: %v, want %s", err, want.Outcome)
	}
	v := loaded.Policy.Decide(loaded.Machine, filters.Request{Argv: argv})
	defer v.Close()
	if want.Outcome == "error" && v.Outcome != filters.Match {
		return ""
	}
	if v.Outcome.String() != want.Outcome {
		return fmt.Sprintf("%v %v, want %s by %s", v.Outcome, v.Near, want.Outcome, want.FilterName)
	}
	if v.Rule == nil {
		return ""
	}
	if v.Rule.Name != want.FilterName || v.Rule.Class != want.FilterClass {
		return fmt.Sprintf("by %s %s, want %s %s", v.Rule.Class, v.Rule.Name, want.FilterClass, want.FilterName)
	}
	if v.Outcome != filters.Match {
		return ""
	}
	if v.RunAs != want.RunAs || !slices.Equal(v.Command(), command) || v.Argv[0] != v.Path {
		return fmt.Sprintf("%s as %s %q, want %s %q", v.Path, v.RunAs, v.Argv, want.RunAs, command)
	}
	env := make(map[string]string)
	for _, e := range v.Env {
		name, value, _ := strings.Cut(e, "=")
		env[name] = value
	}
	if env["PATH"] == filters.DefaultPath {
		delete(env, "PATH") // the record is a difference to an environment that has it
	}
	if len(env) != len(want.Env) {
		return fmt.Sprintf("env %v, want %v", env, want.Env)
	}
	for name, value := range want.Env {
		if env[name] != value {
			return fmt.Sprintf("env %v, want %v", env, want.Env)
		}
	}
	return ""
}

// deviationTags says for each deviation in which kinds of cases it may make strict refuse what rootwrap accepts.
var deviationTags = map[filters.Deviation][]string{
	filters.BuiltinPrivsepHelper: {"privsep-builtin", "path-*", "re-*", "cmd-*", "env-prefix", "netns-*", "chain-*", "pathfilter", "quirk"},
	filters.ChainBasename:        {"chain-basename-bypass", "netns*", "quirk"},
	filters.ChainInner:           {"netns*", "chain-*", "quirk"},
	filters.IPExec:               {"ipfilter", "netns*", "cmd-*", "quirk"},
	filters.PathPrefix:           {"pathfilter", "path-*", "quirk"},
	filters.RegexpAnchor:         {"re-*", "quirk", "netns*", "chain-*"},
	filters.EnvValues:            {"env-*", "quirk"},
	filters.KillRace:             {"kill*", "quirk"},
	filters.KillPid:              {"kill*", "quirk"},
	filters.FileTrust:            {"cmd-*", "quirk", "netns*", "env-*"},
}

// wholePolicy are the deviations that refuse all of a policy, whatever is asked.
var wholePolicy = []filters.Deviation{filters.UnknownClass, filters.BadLine, filters.EnvValues, filters.IPExec}

// tagged reports whether d is meant for cases of a tag; a tag that the visible cases have not is free.
func tagged(d filters.Deviation, tag string) bool {
	known := false
	for _, patterns := range deviationTags {
		known = known || slices.ContainsFunc(patterns, func(p string) bool { ok, _ := filepath.Match(p, tag); return ok })
	}
	if !known {
		return true
	}
	return slices.ContainsFunc(deviationTags[d], func(pattern string) bool {
		ok, err := filepath.Match(pattern, tag)
		return ok && err == nil
	})
}

// TestOracleStrict: strict accepts nothing that rootwrap refuses, and each of its own refusals has a name.
func TestOracleStrict(t *testing.T) {
	oracle := oracleFolder(t)
	world := makeWorld(t, oracle)
	t.Chdir(world)
	l := &loader{semantics: filters.Strict}
	names := make(map[filters.Deviation]int)
	both := 0
	for _, c := range readCases(t, oracle, world) {
		argv, _, stop := c.start(t)
		d, difference := c.compareStrict(t, l, argv)
		switch {
		case difference != "":
			t.Errorf("%s %s %s %q: %s", c.ID, c.Set, c.Tag, c.Argv, difference)
		case d != "":
			names[d]++
		default:
			both++
		}
		stop()
	}
	refused := make(map[string]error)
	for config, err := range l.errs {
		if err != nil {
			refused[filepath.Base(filepath.Dir(config))] = err
		}
	}
	t.Logf("%d cases equal, stricter by deviation: %v", both, names)
	for set, err := range refused {
		t.Logf("policy refused: %s: %v", set, err)
	}
}

// compareStrict returns the deviation by which strict refuses what rootwrap accepts.
func (c *oracleCase) compareStrict(t *testing.T, l *loader, argv []string) (filters.Deviation, string) {
	accepted := c.Answer.Outcome == "match"
	loaded, err := l.load(t, c.Config)
	if err != nil {
		e, ok := err.(*filters.Error)
		switch {
		case !ok || e.Line == 0 || e.File == "":
			return "", fmt.Sprintf("Load: %v: not FILE:LINE: message", err)
		case !slices.Contains(wholePolicy, e.Deviation):
			return "", fmt.Sprintf("Load: %v has no deviation", err)
		case accepted:
			return e.Deviation, ""
		}
		return "", ""
	}
	v := loaded.Policy.Decide(loaded.Machine, filters.Request{Argv: argv})
	defer v.Close()
	switch {
	case v.Outcome == filters.Match && !accepted:
		return "", fmt.Sprintf("accepted by %s as %q, rootwrap says %s", v.Rule.Name, v.Command(), c.Answer.Outcome)
	case v.Outcome == filters.Match || !accepted:
		return "", ""
	}
	for _, n := range v.Near {
		if n.Deviation == "" || n.Rule != nil && n.Rule.Name != c.Answer.FilterName {
			continue
		}
		if !tagged(n.Deviation, c.Tag) {
			return "", fmt.Sprintf("refused by %s (%s), which is not meant for such cases", n.Deviation, n.Reason)
		}
		return n.Deviation, ""
	}
	return "", fmt.Sprintf("refused without a deviation, rootwrap allows by %s: %+v", c.Answer.FilterName, v.Near)
}

// TestOracleStrictMended takes the rules out that make strict refuse a policy as a whole, and asks what is left: it too
// accepts nothing that rootwrap refuses for the whole policy.
func TestOracleStrictMended(t *testing.T) {
	oracle := oracleFolder(t)
	world := makeWorld(t, oracle)
	t.Chdir(world)
	l := &loader{semantics: filters.Strict}
	accepted := 0
	mended := make(map[string]bool)
	for _, c := range readCases(t, oracle, world) {
		if _, err := l.load(t, c.Config); err == nil && !mended[c.Config] {
			continue
		}
		mended[c.Config] = true
		for range 300 {
			e, ok := l.errs[c.Config].(*filters.Error)
			if !ok {
				break
			}
			blank(t, e.File, e.Line)
			delete(l.errs, c.Config)
			_, _ = l.load(t, c.Config)
		}
		loaded, err := l.load(t, c.Config)
		if err != nil {
			t.Fatal(err)
		}
		argv, _, stop := c.start(t)
		v := loaded.Policy.Decide(loaded.Machine, filters.Request{Argv: argv})
		if v.Outcome == filters.Match {
			accepted++
			if c.Answer.Outcome != "match" {
				t.Errorf("%s %q: accepted by %s, rootwrap says %s", c.ID, c.Argv, v.Rule.Name, c.Answer.Outcome)
			}
		}
		_ = v.Close()
		stop()
	}
	if accepted == 0 {
		t.Error("nothing was accepted: the test says nothing")
	}
}

// blank makes comments of the rule or section at a line, with the lines that continue it.
func blank(t *testing.T, file string, line int) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	section := strings.HasPrefix(lines[line-1], "[")
	lines[line-1] = "#" + lines[line-1]
	for i := line; i < len(lines) && (section && !strings.HasPrefix(lines[i], "[") || strings.HasPrefix(lines[i], " ")); i++ {
		lines[i] = "#" + lines[i]
	}
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
}
