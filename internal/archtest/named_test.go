package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// namedTest is how docs/threat-model.md writes a test: the package's path in the module, a dot, the function.
var namedTest = regexp.MustCompile("`([a-z/]+)\\.((?:Test|Fuzz)[A-Za-z0-9_]+)`")

// TestNamedTestsExist: a promise whose test is gone is none. Files are read whatever their build tags.
func TestNamedTestsExist(t *testing.T) {
	root := filepath.Join("..", "..")
	text, err := os.ReadFile(filepath.Join(root, "docs", "threat-model.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := namedTest.FindAllStringSubmatch(string(text), -1)
	if len(named) == 0 {
		t.Fatal("docs/threat-model.md names no test: its way of writing them has changed")
	}
	known := map[string][]string{}
	for _, m := range named {
		dir, name := m[1], m[2]
		if _, read := known[dir]; !read {
			known[dir] = testsOf(t, filepath.Join(root, dir))
		}
		if !slices.Contains(known[dir], name) {
			t.Errorf("docs/threat-model.md names %s of %s, which does not exist", name, dir)
		}
	}
}

// TestPromisesNameTests: each of the ten promises names a test; what nobody tests is no promise.
func TestPromisesNameTests(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "threat-model.md"))
	if err != nil {
		t.Fatal(err)
	}
	promises := regexp.MustCompile(`(?m)^\| (\d+) \|.*$`).FindAllStringSubmatch(string(text), -1)
	if len(promises) != 10 {
		t.Errorf("%d promises, want the ten of the design", len(promises))
	}
	for _, p := range promises {
		if !namedTest.MatchString(p[0]) {
			t.Errorf("promise %s names no test", p[1])
		}
	}
}

// testsOf returns the functions of a folder's test files that go test would call.
func testsOf(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			f, ok := d.(*ast.FuncDecl)
			if ok && f.Recv == nil && (strings.HasPrefix(f.Name.Name, "Test") || strings.HasPrefix(f.Name.Name, "Fuzz")) {
				names = append(names, f.Name.Name)
			}
		}
	}
	return names
}
