package lint_test

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/lint"
	"github.com/privhelper/privhelper/internal/testenv"
)

var update = flag.Bool("update", false, "write docs/corpus-report.md anew")

const reportFile = "../../docs/corpus-report.md"

// A set is the policy files of one folder: of one project in one version.
type set struct {
	name    string // the folder
	sources []filters.Source
}

// corpus reads the published policies. File names in it are relative to the corpus.
func corpus(t *testing.T) []set {
	t.Helper()
	root := filepath.Join(testenv.Oracle(t), "corpus")
	byName := map[string]*set{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".filters") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		name := filepath.Dir(rel)
		if byName[name] == nil {
			byName[name] = &set{name: name}
		}
		byName[name].sources = append(byName[name].sources, filters.Source{File: rel, Text: text})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var sets []set
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		sets = append(sets, *byName[name])
	}
	return sets
}

// judge is check without a machine: the policy as oslo.rootwrap reads it, and what strict refuses of it.
func judge(t *testing.T, s set) (p *filters.Policy, found []lint.Finding, refused []*filters.Error) {
	t.Helper()
	cfg, _, err := filters.ParseConfig("rootwrap.conf", []byte("[DEFAULT]\nfilters_path=/none\ncapabilities=CAP_NET_ADMIN\nsemantics=oslo\n"), false)
	if err != nil {
		t.Fatal(err)
	}
	p, files, errs := lint.Parse(cfg, s.sources)
	if p == nil {
		return &filters.Policy{}, nil, errs // oslo.rootwrap does not load it either
	}
	for _, f := range lint.Check(lint.Input{Config: cfg, Policy: p, Sources: files}) {
		if f.File != "rootwrap.conf" && f.Name != lint.UID0OwnsFiles { // said of every rule as root, since the configuration is ours
			found = append(found, f)
		}
	}
	cfg.Semantics = filters.Strict
	_, _, refused = lint.Parse(cfg, s.sources)
	return p, found, refused
}

// report is docs/corpus-report.md.
func report(t *testing.T) string {
	type count struct {
		rules, sets int
		example     string
	}
	var (
		out, projects              bytes.Buffer
		rules, free, clean, broken int
		classes                    = map[string]int{}
		names                      = map[string]*count{}
		shells                     = map[string]int{}
	)
	add := func(name, set, example string, seen map[string]bool) {
		if names[name] == nil {
			names[name] = &count{example: example}
		}
		names[name].rules++
		if !seen[name] {
			seen[name] = true
			names[name].sets++
		}
	}
	sets := corpus(t)
	for _, s := range sets {
		p, found, refused := judge(t, s)
		seen := map[string]bool{}
		warned := map[string]bool{}
		for _, f := range found {
			add(string(f.Name), s.name, fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Msg), seen)
			if f.Severity >= lint.Warning {
				warned[f.Rule] = true
			}
		}
		for _, e := range refused {
			add("refused by strict: "+cmp.Or(string(e.Deviation), "by oslo.rootwrap too"), s.name, e.Error(), seen)
		}
		own, any := 0, 0
		for _, r := range p.Rules() {
			if r.Line == 0 {
				continue
			}
			own++
			classes[r.Class]++
			if r.Class == "CommandFilter" || r.Class == "EnvFilter" {
				any++
				if d, ok := lint.Dangerous(r.Exec); ok {
					shells[d.Power]++
				}
			}
		}
		rules, free = rules+own, free+any
		if len(warned) == 0 {
			clean++
		}
		if len(refused) > 0 {
			broken++
		}
		fmt.Fprintf(&projects, "| %s | %d | %d | %d | %d |\n", s.name, own, any, len(warned), len(refused))
	}
	fmt.Fprintf(&out, `# What published policies permit

Made by %s over the policy files of
33 OpenStack projects (the corpus of the oracle, not part of this repository). A test compares it with what the lints say now.
Files are read as oslo.rootwrap reads them; "refused by strict" is what %s, the default, does not load.
Nothing is asked of a machine: which executables are missing or writable does not stand here.

%d folders, %d rules. %d rules (%d %%) allow any arguments. %d folders have no warning; %d have a line that strict refuses.

`, "`go test ./filters/lint -run TestCorpusReport -update`", "`semantics = strict`", len(sets), rules, free, free*100/rules, clean, broken)
	fmt.Fprintf(&out, "Rules with any arguments for a program that makes them worth more than they seem: %d run what the caller names, %d write any file, %d change who may do what, %d show any file, %d stop what others need.\n\n",
		shells["shell"], shells["write"], shells["own"], shells["read"], shells["stop"])
	fmt.Fprintf(&out, "## Classes\n\n| class | rules |\n|---|---|\n")
	for _, class := range slices.SortedFunc(maps.Keys(classes), func(a, b string) int { return cmp.Or(classes[b]-classes[a], strings.Compare(a, b)) }) {
		fmt.Fprintf(&out, "| %s | %d |\n", class, classes[class])
	}
	fmt.Fprintf(&out, "\n## Findings\n\nprivhelper-filters(5) says what each name means.\n\n| name | findings | folders | the first |\n|---|---|---|---|\n")
	for _, name := range slices.SortedFunc(maps.Keys(names), func(a, b string) int {
		return cmp.Or(names[b].rules-names[a].rules, strings.Compare(a, b))
	}) {
		c := names[name]
		fmt.Fprintf(&out, "| %s | %d | %d | %s |\n", name, c.rules, c.sets, cell(c.example))
	}
	fmt.Fprintf(&out, "\n## Projects\n\n| folder | rules | any arguments | rules with a warning | lines that strict refuses |\n|---|---|---|---|---|\n%s", projects.String())
	return out.String()
}

// cell makes text safe in a table's cell.
func cell(s string) string {
	return "`" + strings.NewReplacer("|", "¦", "`", "'", "\n", " ").Replace(s) + "`"
}

// TestCorpusReport: the report in docs is what the lints say now.
func TestCorpusReport(t *testing.T) {
	got := report(t)
	if *update {
		if err := os.WriteFile(reportFile, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(reportFile)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what the lints say now: run go test ./filters/lint -run TestCorpusReport -update", reportFile)
	}
}

// TestKnownDefects: what people have found in published policies by hand, is found.
func TestKnownDefects(t *testing.T) {
	found := map[string]bool{}
	for _, s := range corpus(t) {
		_, list, refused := judge(t, s)
		for _, f := range list {
			found[fmt.Sprintf("%s:%d %s", f.File, f.Line, f.Name)] = true
		}
		for _, e := range refused {
			found[fmt.Sprintf("%s:%d %s", e.File, e.Line, e.Deviation)] = true
		}
	}
	for _, defect := range []string{
		// (?!\.\.) looks at the first two bytes alone: privsep-helper takes a configuration from anywhere, and runs it.
		"ceilometer/HEAD/etc/ceilometer/rootwrap.d/ipmi.filters:5 traversal",
		// A regular expression in a PathFilter is the name of a folder that nobody has.
		"neutron-fwaas/HEAD/etc/neutron/rootwrap.d/fwaas-privsep.filters:7 never-matches",
		// The whole command line in the pattern for the command's name.
		"glance_store/largest/etc/glance/rootwrap.d/glance_cinder_store.filters:13 name-pattern",
		// Arguments of a CommandFilter, which its author took for a restriction.
		"cinder/largest/etc/cinder/rootwrap.d/volume.filters:226 ignored-arguments",
		// The client chooses the loader's path.
		"cinder/largest/etc/cinder/rootwrap.d/volume.filters:197 env-values",
		// A class that oslo.rootwrap dropped: the rule is skipped, silently.
		"neutron/largest/etc/neutron/rootwrap.d/dhcp.filters:12 unknown-class",
		// A name that stands twice: one of the two rules has never been.
		"manila/largest/etc/manila/rootwrap.d/volume.filters:19 duplicate-name",
		"manila/HEAD/etc/manila/rootwrap.d/share.filters:142 open-pattern",
		// Everybody may put a link into /tmp, where root then reads what it leads to.
		"nova/largest/etc/nova/rootwrap.d/compute.filters:204 path-race",
		"neutron/largest/etc/neutron/rootwrap.d/privsep.filters:32 path-prefix",
	} {
		if !found[defect] {
			t.Errorf("not found: %s", defect)
		}
	}
}
