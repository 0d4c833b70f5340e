package filters_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/filters"
)

// TestPolicyErrors: what strict refuses it refuses as a whole, with the line; what oslo does of the same stands beside.
func TestPolicyErrors(t *testing.T) {
	for _, test := range []struct {
		rules  string
		strict string // part of the error; "" for none
		oslo   string // part of the error, or of the warning if it begins with "warn "
	}{
		{"a: CommandFilter, a, root\n", "", ""},
		{"a: CommandFilter, a, 0:0\n", "", ""},
		{"a: CommandFilter, a, -1\n", `test.filters:2: rule "a": run_as "-1"`, ""}, // CVE-2019-14287
		{"a: CommandFilter, a, 4294967295:0\n", `"4294967295" is not an id`, ""},
		{"a: CommandFilter, a, 0:-1\n", `"-1" is not an id`, ""},
		{"a: CommandFilter, a, 99999999999:1\n", "is not an id", ""},
		{"a: CommandFilter, a, 1000\n", "neither a local name nor numeric UID:GID", ""},
		{"a: CommandFilter, a, root # no comment\n", "neither a local name", ""},
		{"a: CommandFilter, a, \n", "run_as is empty", ""},
		{"a: CommandFilter, , root\n", "empty executable", ""},
		{"a: CommandFilter, x/../a, root\n", "neither an absolute path nor a bare name", ""},
		{"a: CommandFilter, a\n", "test.filters:2: rule \"a\": CommandFilter needs run_as", "CommandFilter needs run_as"},
		{"a: KillFilter\n", "KillFilter needs run_as", "KillFilter needs run_as"},
		{"a: KillFilter, root\n", "names no program", ""},
		{"a: KillFilter, nobody, /bin/x, -9\n", "write root", ""},
		{"a: KillFilter, root, /bin/x, 9\n", "is no signal", ""},
		{"a: KillFilter, root, /bin/x, -99\n", "is no signal", ""},
		{"a: ReadFileFilter\n", "needs a file", "needs a file"},
		{"a: ReadFileFilter, passwd\n", "not an absolute path", ""},
		{"a: DnsmasqFilter, x, root\n", `class "DnsmasqFilter" of rule "a" is not known`, "warn is skipped"},
		{"a: GlobFilter, x, root\n", `class "GlobFilter" of rule "a" is not known`, "warn is skipped"},
		{"a: os, x\n", "is not known", "is not a class"},
		{"a:\n", "is not known", "warn is skipped"},
		{"a: RegExpFilter, a, root, a, (\n", `test.filters:2: rule "a": pattern "(": missing )`, ""},
		{"a: RegExpFilter, a, root\n", "has no patterns", ""},
		{"a: PathFilter, a, root\n", "can never match", ""},
		{"a: EnvFilter, env, root, prog\n", "names no variable", ""},
		{"a: EnvFilter, env, root, LD_PRELOAD=, prog\n", "LD_PRELOAD changes which code", ""},
		{"a: EnvFilter, env, root, GLIBC_TUNABLES=, prog\n", "changes which code", ""}, // CVE-2023-4911
		{"a: EnvFilter, env, root, PYTHONPATH=, prog\n", "changes which code", ""},     // CVE-2024-48990
		{"a: EnvFilter, env, root, A-B=, prog\n", "not the name of a variable", ""},
		{"a: EnvFilter, env, root, A=, A=, prog\n", "names A twice", ""},
		{"a: IpNetnsExecFilter, ncat, root\n", "judges arguments of ip", ""},
		{"a: IpNetnsExecFilter, ip, nobody\n", "only root", ""},
		{"a: CommandFilter, a, root, x\n", "", "warn restrict nothing"},
		{"no delimiter\n", "test.filters:2: ", "test.filters:2: "},
		{": CommandFilter, a, root\n", "test.filters:2: ", "test.filters:2: "},
		{"a: CommandFilter, a, root\nb: CommandFilter, \xff, root\n", "test.filters:3: is not UTF-8", "test.filters:3: is not UTF-8"},
		{"a: CommandFilter, a, root\nb: CommandFilter, /bin/b\x00c, root\n", "test.filters:3: holds a NUL byte", ""},
		{"a: ArgvFilter, a, root, b\x00c\n", "test.filters:2: holds a NUL byte", ""},
		{"a: CommandFilter, a, root\n[a]\ncwd = /a\x00\n", "test.filters:4: holds a NUL byte", ""},
		{"a: CommandFilter, a, root\n[a]\ntime = 3\n", `test.filters:4: time of rule "a": the key is not known`, `time of rule "a": the key is not known`},
		{"a: CommandFilter, a, root\n[a]\nlifetime = no\n", `lifetime of rule "a": "no"`, `lifetime of rule "a": "no"`},
		{"a: CommandFilter, a, root\n[A]\nlifetime = client\n", "", ""},
		{"a: CommandFilter, a, root\n[b]\ntimeout = 3\n", "test.filters:3: section [b] is for no rule", "warn is for no rule"},
	} {
		for semantics, want := range map[filters.Semantics]string{filters.Strict: test.strict, filters.Oslo: test.oslo} {
			_, warnings, err := policy(semantics, test.rules)
			text := ""
			if err != nil {
				text = err.Error()
				var e *filters.Error
				if !errors.As(err, &e) || e.File != "test.filters" || e.Line == 0 {
					t.Errorf("%v: %q: %v is not FILE:LINE: message", semantics, test.rules, err)
				}
			}
			if part, ok := strings.CutPrefix(want, "warn "); ok && err == nil {
				if len(warnings) != 1 || !strings.Contains(warnings[0].String(), part) {
					t.Errorf("%v: %q: warnings %v, want %q", semantics, test.rules, warnings, part)
				}
			} else if (want == "") != (err == nil) || !strings.Contains(text, want) {
				t.Errorf("%v: %q: %v, want %q", semantics, test.rules, err, want)
			}
		}
	}
}

// TestNoFilters: rootwrap fails on a file without the section, and a policy that is silently empty would be no better.
func TestNoFilters(t *testing.T) {
	for _, s := range []filters.Semantics{filters.Strict, filters.Oslo} {
		if _, _, err := filters.ParsePolicy(filters.Config{Semantics: s}, []filters.Source{{File: "x", Text: []byte("[filters]\n")}}); err == nil {
			t.Errorf("%v: a file without [Filters] is accepted", s)
		}
	}
}

// TestParserQuirks follows RawConfigParser.
func TestParserQuirks(t *testing.T) {
	text := "\r\n; comment\r[DEFAULT]\nFirst: CommandFilter, zero, root\n  # inside\n[Filters]trailing\n" +
		"B = CommandFilter,\n\n\t b,\n  # a comment\n  root\n\n" +
		"c\u00a0:CommandFilter, c=d, root\x1c\nfirst: CommandFilter, first, root\nB: CommandFilter, second, root\n"
	p, _, err := filters.ParsePolicy(filters.Config{}, []filters.Source{{File: "q.filters", Text: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	want := []filters.Rule{
		{Name: "first", Exec: "first", Line: 14}, {Name: "b", Exec: "second", Line: 15}, {Name: "c", Exec: "c=d", Line: 13},
	}
	if len(p.Rules()) != len(want) {
		t.Fatalf("%d rules", len(p.Rules()))
	}
	for i, r := range p.Rules() {
		if r.Name != want[i].Name || r.Exec != want[i].Exec || r.Line != want[i].Line || r.RunAs != "root" {
			t.Errorf("rule %d: %s %s line %d", i, r.Name, r.Exec, r.Line)
		}
	}
}

// TestLifetime: strict ends what a command leaves behind, oslo lets it live, and a rule's section says otherwise.
func TestLifetime(t *testing.T) {
	rules := "a: CommandFilter, a, root\nb: CommandFilter, b, root\nc: CommandFilter, c, root\n[b]\nlifetime = detached\n[c]\nlifetime = client\n"
	for s, want := range map[filters.Semantics][3]bool{filters.Strict: {false, true, false}, filters.Oslo: {true, true, false}} {
		p, _, err := policy(s, rules)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if r := p.Rules()[i]; r.Detached != want[i] {
				t.Errorf("%v: %s: detached %t", s, r.Name, r.Detached)
			}
		}
	}
}

// TestHash: it depends on all that decides.
func TestHash(t *testing.T) {
	seen := make(map[string]string)
	for name, hash := range map[string]string{
		"strict": mustHash(t, filters.Strict, "a: CommandFilter, a, root\n"),
		"oslo":   mustHash(t, filters.Oslo, "a: CommandFilter, a, root\n"),
		"other":  mustHash(t, filters.Strict, "a: CommandFilter, b, root\n"),
	} {
		if other := seen[hash]; other != "" || len(hash) != 64 {
			t.Errorf("%s and %s: %s", name, other, hash)
		}
		seen[hash] = name
	}
	if first, second := mustHash(t, filters.Oslo, ""), mustHash(t, filters.Oslo, ""); first != second {
		t.Error("the hash is not stable")
	}
}

func mustHash(t *testing.T, s filters.Semantics, rules string) string {
	t.Helper()
	p, _, err := policy(s, rules)
	if err != nil {
		t.Fatal(err)
	}
	return p.Hash()
}

// TestZero: nothing is allowed by what was never made.
func TestZero(t *testing.T) {
	v := new(filters.Policy).Decide(&fake{}, filters.Request{Argv: []string{"true"}})
	if v.Outcome != filters.Unauthorized || v.Command() != nil || v.Close() != nil {
		t.Errorf("%+v", v)
	}
}

// TestNames: names are lower-cased as Python does it, and of one name the last rule counts.
func TestNames(t *testing.T) {
	for written, want := range map[string]string{
		"Plain": "plain", "É": "é", "İx": "i\u0307x", "ΟΔΟΣ": "οδος", "ΟΔΟΣ.Σ": "οδοσ.ς", "Σ": "σ", "aΣ'": "aς'", "aΣ'b": "aσ'b", "ẞ": "ß", "Ⅷ": "ⅷ",
	} {
		p, _, err := policy(filters.Oslo, written+"= CommandFilter, a, root\n"+want+"= CommandFilter, b, root\n")
		if err != nil {
			t.Fatal(err)
		}
		if r := p.Rules()[0]; r.Name != want || r.Exec != "b" {
			t.Errorf("%q became %q, want %q, for %s", written, r.Name, want, r.Exec)
		}
	}
}
