package archtest

import (
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// readDeps reads cmd/privhelper/deps.txt: one package a line, its reason after a `#`; and the Go release that the list
// of the standard library's packages was made with.
func readDeps(t *testing.T, path string) (reasons map[string]string, release string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	reasons = map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, reason, _ := strings.Cut(line, "#")
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if value, ok := strings.CutPrefix(name, "release "); ok {
			release = value
			continue
		}
		if _, twice := reasons[name]; twice {
			t.Errorf("%s: %s stands there twice", path, name)
		}
		reasons[name] = strings.TrimSpace(reason)
	}
	return reasons, release
}

// What the standard library keeps to itself (internal/, vendor/) comes with its public packages, and changes between
// patch releases: it is not listed.
func listed(p pkg) bool {
	return !p.Standard || !slices.Contains(strings.Split(p.ImportPath, "/"), "internal") && !strings.HasPrefix(p.ImportPath, "vendor/")
}

// A package that root comes to run must show in review, not in an incident.
func TestDepsOfTheHelper(t *testing.T) {
	g := tree(t)
	helper := full("./cmd/privhelper")
	path := filepath.Join(g[helper].Dir, "deps.txt")
	reasons, release := readDeps(t, path)
	sameRelease := runtime.Version() == release || strings.HasPrefix(runtime.Version(), release+".")
	if !sameRelease {
		t.Logf("%s lists the standard library of %s, this is %s: only what is outside it is compared", path, release, runtime.Version())
	}

	by := g.linked(helper)
	for _, name := range slices.Sorted(maps.Keys(by)) {
		p := g[name]
		reason, found := reasons[name]
		switch {
		case name == helper || !listed(p):
		case p.Standard && !sameRelease:
		case !found:
			t.Errorf("add to deps.txt, if it is meant: %s (%s)", name, road(by, name))
		case !p.Standard && reason == "":
			t.Errorf("deps.txt: %s needs its reason after a #", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(reasons)) {
		if _, linked := by[name]; linked {
			continue
		}
		if g[name].Standard && !sameRelease {
			continue
		}
		t.Errorf("remove from deps.txt, it is not linked: %s", name)
	}
}
