package filters_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/filters"
)

// TestLearn: the learning file changes nothing of what the rest of a policy says, allows nothing without learn = allow, and
// is never named by anything but the configuration.
func TestLearn(t *testing.T) {
	const learn = "/f.d/00-learn.filters" // by its name the first
	files := []filters.Source{
		{File: learn, Text: []byte("[Filters]\nip: CommandFilter, ip, root\nkill: KillFilter, root, /usr/sbin/radvd, -9\n" +
			"tag: EnvFilter, env, root, TAG=, dnsmasq\nin: CommandFilter, id, root\ngone: CommandFilter, /none/x, root\n")},
		{File: "/f.d/net.filters", Text: []byte("[Filters]\nlink: ArgvFilter, ip, root, link\nns: IpNetnsExecFilter, ip, root\n")},
	}
	closed := 0
	m := &fake{programs: map[int]string{20: "/usr/sbin/radvd"}, closed: &closed}
	for _, test := range []struct {
		argv    string
		rule    string // without learning; "" refuses
		learned string // with it; "" if there is nothing to learn
	}{
		{"ip link", "link", ""},
		{"ip addr", "", "ip"},
		{"ip netns exec x id", "", "ns"}, // the rule is none of the file, but the inner one is
		{"id -u", "", "in"},
		{"kill -9 20", "", "kill"},
		{"kill -9 21", "", ""},
		{"env TAG=1 dnsmasq", "", "tag"},
		{"env ip link", "", ""}, // the EnvFilter takes env off for none but itself
		{"/none/x", "", ""},
		{"mount x", "", ""},
	} {
		request := filters.Request{Argv: strings.Fields(test.argv)}
		for _, allow := range []bool{false, true} {
			for _, semantics := range []filters.Semantics{filters.Strict, filters.Oslo} {
				cfg := filters.Config{ExecDirs: []string{"/usr/sbin"}, Semantics: semantics, LearnFile: learn, LearnAllow: allow}
				p, _, err := filters.ParsePolicy(cfg, files)
				if err != nil {
					t.Fatal(err)
				}
				if p.Rules()[0].Learning || !p.Rules()[2].Learning {
					t.Fatalf("%s is asked first", p.Rules()[0].Name)
				}
				closed = 0
				v := judge(p, m, request)
				by, held := "", v.Kill != nil
				if v.Rule != nil {
					by = v.Rule.Name
				}
				want := test.rule
				if allow && test.learned != "" {
					want = test.learned
				}
				if by != want || (v.Outcome == filters.Match) != (want != "") || v.Learned != (test.learned != "") {
					t.Errorf("%s, allow %t, %v: %v by %q, learned %t", test.argv, allow, semantics, v.Outcome, by, v.Learned)
				}
				if v.Learned && !allow && (len(v.Near) != 1 || v.Near[0].Rule.Name != test.learned || v.Path != "" || v.Argv != nil || v.Files != nil) {
					t.Errorf("%s: refused with %+v", test.argv, v)
				}
				if semantics == filters.Strict && test.learned == "kill" && (held == (closed > 0)) {
					t.Errorf("allow %t: the process is held %t, given back %d times", allow, held, closed)
				}
				if names := ruleNames(p.For(nil)); slices.Contains(names, "in") != allow || !slices.Contains(names, "link") {
					t.Errorf("allow %t: a client may use %q", allow, names)
				}
				if err := v.Close(); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

func ruleNames(rules []*filters.Rule) (names []string) {
	for _, r := range rules {
		names = append(names, r.Name)
	}
	return names
}

// TestLearnOptions: what cannot mean what its author thinks is refused.
func TestLearnOptions(t *testing.T) {
	for text, want := range map[string]string{
		"learn_file=/f/a.filters\nlearn=allow": "",
		"learn_file=/f/a.filters":              "",
		"learn=allow":                          "there is no learn_file",
		"learn_file=a.filters":                 "not an absolute path",
		"learn_file=/f/a.filters\nlearn=yes":   "write refuse or allow",
	} {
		_, _, err := filters.ParseConfig("privhelper.conf", []byte("[DEFAULT]\nfilters_path=/f\n"+text+"\n"), true)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	cfg := filters.Config{File: "c.conf", LearnFile: "/f/other.filters", Lines: map[string]int{"learn_file": 3}}
	_, _, err := filters.ParsePolicy(cfg, []filters.Source{{File: "/f/a.filters", Text: []byte("[Filters]\n")}})
	if e := (*filters.Error)(nil); !errors.As(err, &e) || e.Line != 3 {
		t.Errorf("a learning file that is not there: %v", err)
	}
}
