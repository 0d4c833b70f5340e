package attack

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/attack/weaken"
	"github.com/privhelper/privhelper/internal/testenv"
)

// A patch takes one guard away. It is a file of weaken/.
type patch struct {
	guard   string
	text    string
	attacks []string // that must come through: AREA/NAME
}

// readPatches reads all patches.
func readPatches(t *testing.T) (patches []patch) {
	t.Helper()
	files, err := filepath.Glob("weaken/*.patch")
	if err != nil || len(files) == 0 {
		t.Fatalf("no patches: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(text), "\n")
		names, ok := strings.CutPrefix(first, "Attacks: ")
		p := patch{guard: strings.TrimSuffix(filepath.Base(file), ".patch"), text: string(text), attacks: strings.Fields(names)}
		if !ok || len(p.attacks) == 0 || !strings.Contains(p.text, "weaken.Gone(\""+p.guard+"\")") {
			t.Errorf("%s: its first line names no attacks, or it does not ask for its own guard", file)
		}
		patches = append(patches, p)
	}
	return patches
}

// TestWeakened builds the binary with every patch of weaken/, and attacks a copy for each in which that guard is gone: every
// attack which the patch names must come through. The tree itself is not touched; the build sees the patched files in the
// place of the others.
func TestWeakened(t *testing.T) {
	if !*weakened {
		t.Skip("builds another binary and attacks it: go test ./attack -run TestWeakened -weakened; .ci/run has a step for it")
	}
	testenv.NeedRoot(t)
	testenv.NeedProgram(t, "patch", "patch")
	patches := readPatches(t)
	built := filepath.Join(t.TempDir(), "privhelper")
	if err := testenv.Build(built, "../cmd/privhelper", "-overlay", overlay(t, patches)); err != nil {
		t.Fatal(err)
	}
	binary, err := os.ReadFile(built)
	if err != nil {
		t.Fatal(err)
	}
	all := []byte(weaken.Mark + strings.Repeat(".", weaken.Room))
	if n := bytes.Count(binary, all); n != 1 {
		t.Fatalf("the name of the guard that is gone stands %d times in the binary", n)
	}
	for _, p := range patches {
		t.Run(p.guard, func(t *testing.T) {
			t.Parallel()
			one := []byte(weaken.Mark + p.guard + strings.Repeat(".", weaken.Room-len(p.guard)))
			weak := filepath.Join(t.TempDir(), "privhelper")
			if err := os.WriteFile(weak, bytes.Replace(binary, all, one, 1), 0o755); err != nil {
				t.Fatal(err)
			}
			comeThrough(t, weak, p.attacks)
		})
	}
}

var (
	patched      = regexp.MustCompile(`(?m)^--- a/(\S+)$`) // a file that a patch changes
	packageLine  = regexp.MustCompile(`(?m)^package \w+$`)
	importWeaken = []byte("$0; import \"github.com/privhelper/privhelper/attack/weaken\"") // on that line, so that no other moves
)

// overlay applies the patches to copies of the files that they change, and says to the build where they are.
func overlay(t *testing.T, patches []patch) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	copies, replace := t.TempDir(), map[string]string{}
	for _, p := range patches {
		for _, found := range patched.FindAllStringSubmatch(p.text, -1) {
			original, copied := filepath.Join(root, found[1]), filepath.Join(copies, found[1])
			if replace[original] != "" {
				continue
			}
			replace[original] = copied
			text, err := os.ReadFile(original)
			if err != nil {
				t.Fatalf("%s: %v", p.guard, err)
			}
			if err := os.MkdirAll(filepath.Dir(copied), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(copied, packageLine.ReplaceAll(text, importWeaken), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command("patch", "--quiet", "--fuzz=3", "--strip=1", "--directory="+copies)
		cmd.Stdin = strings.NewReader(p.text)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: the guard has changed, and its patch must too: %v\n%s", p.guard, err, out)
		}
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

// noProof are what a red attack on a weakened binary must not say: that it failed before it was made, or beside it.
var noProof = regexp.MustCompile(`the harmless (twin|command)|another client's helper|panic:`)

// comeThrough makes attacks on a weakened binary, in a process of its own, and wants each of them red.
func comeThrough(t *testing.T, weak string, attacks []string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var run []string
	for _, name := range attacks {
		run = append(run, "^TestAttacks$/^"+strings.ReplaceAll(name, "/", "$/^")+"$")
	}
	out, _ := exec.Command(self, "-binary", weak, "-test.timeout=5m", "-test.run="+strings.Join(run, "|")).CombinedOutput()
	for _, name := range attacks {
		_, said, red := strings.Cut(string(out), "--- FAIL: TestAttacks/"+name+" (")
		said, _, _ = strings.Cut(said, "--- FAIL: ")
		switch {
		case !red:
			t.Errorf("%s holds although its guard is gone:\n%s", name, out)
		case noProof.MatchString(said):
			t.Errorf("%s fails for another reason, which proves nothing:\n%s", name, said)
		}
	}
}
