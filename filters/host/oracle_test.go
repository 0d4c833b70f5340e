//go:build linux

package host_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/internal/testenv"
)

// TestOracleOslo: the oslo semantics gives rootwrap's own verdicts.
func TestOracleOslo(t *testing.T) {
	oracle := testenv.Oracle(t)
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
	v := judge(loaded, filters.Request{Argv: argv})
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

// TestOracleUnsafe: what oslo accepts and strict would refuse, oslo names unsafe.
func TestOracleUnsafe(t *testing.T) {
	oracle := testenv.Oracle(t)
	world := makeWorld(t, oracle)
	t.Chdir(world)
	oslo, strict := &loader{semantics: filters.Oslo}, &loader{semantics: filters.Strict}
	named := 0
	for _, c := range readCases(t, oracle, world) {
		loose, err := oslo.load(t, c.Config)
		narrow, serr := strict.load(t, c.Config)
		if err != nil || serr != nil || len(c.Procs) > 0 {
			continue // a policy that strict refuses as a whole names its line
		}
		v := loose.Policy.Decide(loose.Machine, filters.Request{Argv: c.Argv})
		if v.Outcome != filters.Match {
			continue
		}
		if s := narrow.Policy.Decide(narrow.Machine, filters.Request{Argv: c.Argv}); s.Outcome == filters.Match {
			continue
		}
		if named++; len(v.Unsafe) == 0 {
			t.Errorf("%s %s %q: oslo names nothing that is unsafe", c.ID, c.Set, c.Argv)
		}
	}
	if named == 0 {
		t.Error("strict refuses nothing: the test says nothing")
	}
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
	oracle := testenv.Oracle(t)
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
	v := judge(loaded, filters.Request{Argv: argv})
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
	oracle := testenv.Oracle(t)
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
