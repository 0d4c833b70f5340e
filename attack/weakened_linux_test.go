package attack

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

// patched are the files that a patch changes.
var patched = regexp.MustCompile(`(?m)^--- a/(\S+)$`)

// TestWeakened builds the binary with each patch of weaken/, which takes one guard away, and attacks that: every attack
// which its first line names must come through. The tree itself is not touched; the build sees the patched files in the
// place of the others.
func TestWeakened(t *testing.T) {
	if !*weakened {
		t.Skip("builds the binary once for each guard: go test ./attack -run TestWeakened -weakened; .ci/run has a step for it")
	}
	testenv.NeedRoot(t)
	testenv.NeedProgram(t, "patch", "patch")
	patches, err := filepath.Glob("weaken/*.patch")
	if err != nil || len(patches) == 0 {
		t.Fatalf("no patches: %v", err)
	}
	for _, file := range patches {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".patch"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(text), "\n")
			names, ok := strings.CutPrefix(first, "Attacks: ")
			if !ok {
				t.Fatalf("its first line is %q", first)
			}
			weak := filepath.Join(t.TempDir(), "privhelper")
			if err := build(weak, "-overlay", overlay(t, file, string(text))); err != nil {
				t.Fatal(err)
			}
			for name := range strings.FieldsSeq(names) {
				comesThrough(t, weak, name)
			}
		})
	}
}

// overlay applies a patch to copies of the files that it changes, and says to the build where they are.
func overlay(t *testing.T, patch, text string) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	copies, replace := t.TempDir(), map[string]string{}
	for _, found := range patched.FindAllStringSubmatch(text, -1) {
		original, copied := filepath.Join(root, found[1]), filepath.Join(copies, found[1])
		if err := os.MkdirAll(filepath.Dir(copied), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := copyFile(copied, original); err != nil {
			t.Fatal(err)
		}
		replace[original] = copied
	}
	absolute, err := filepath.Abs(patch)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("patch", "--quiet", "--fuzz=3", "--strip=1", "--directory="+copies, "--input="+absolute).CombinedOutput(); err != nil {
		t.Fatalf("the guard has changed, and its patch must too: %v\n%s", err, out)
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(copies, "overlay.json")
	if err := os.WriteFile(file, list, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// comesThrough makes one attack on a weakened binary, in a process of its own, and wants it red.
func comesThrough(t *testing.T, weak, name string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	area, attack, _ := strings.Cut(name, "/")
	out, err := exec.Command(self, "-binary", weak, "-test.timeout=2m", "-test.v", "-test.run=^TestAttacks$/^"+area+"$/^"+attack+"$").CombinedOutput()
	switch red := strings.Contains(string(out), "--- FAIL: TestAttacks/"+name+" "); {
	case err == nil || !red:
		t.Errorf("%s holds although its guard is gone: %v\n%s", name, err, out)
	case strings.Contains(string(out), "the harmless twin") || strings.Contains(string(out), "the harmless command"):
		t.Errorf("%s fails by its harmless twin, which proves nothing:\n%s", name, out)
	}
}
