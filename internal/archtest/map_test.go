package archtest

import (
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// TestMap: every folder of README's map is there, and every package stands on it, itself or the folder it is in.
func TestMap(t *testing.T) {
	root := filepath.Join("..", "..")
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "## The map")
	_, rest, _ = strings.Cut(rest, "```\n")
	block, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("README has no map")
	}
	listed := map[string]bool{}
	var above []string // the folders that the next line may stand in, by indentation
	for line := range strings.Lines(block) {
		name := strings.TrimLeft(line, " ")
		depth := (len(line) - len(name)) / 2
		name, _, _ = strings.Cut(name, " ")
		folder := path.Clean(name)
		if depth > 0 {
			folder = path.Join(above[depth-1], name)
		}
		above = append(above[:depth], folder)
		listed[folder] = true
		if st, err := os.Stat(filepath.Join(root, folder)); err != nil || !st.IsDir() {
			t.Errorf("the map shows %s, which is no folder", folder)
		}
	}
	for _, p := range tree(t).own() {
		dir := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if parent, _, internal := strings.Cut(dir, "/internal/"); internal {
			dir = parent // what a package keeps to itself stands with it
		}
		if !listed[dir] && !listed[path.Dir(dir)] {
			t.Errorf("%s is not on README's map", dir)
		}
	}
}
