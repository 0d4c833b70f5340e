package archtest

import (
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// unsafeFiles may import unsafe, each for the system call that has no wrapper.
var unsafeFiles = map[string]string{
	"internal/spawn/signals_linux.go":        "rt_sigaction: no package sets a disposition for a child without the runtime's handler",
	"internal/spawn/reaper_linux.go":         "waitid: x/sys leaves the fields of siginfo to the reader",
	"privsep/confine/sandbox_linux.go":       "landlock: x/sys has the numbers and no functions",
	"privsep/confine/onecpu_linux.go":        "sched_setaffinity of all threads, and getcpu: x/sys has the one for one thread, and not the other",
	"privsep/internal/wire/recvmsg_linux.go": "recvmsg: the wrapper puts an address on the heap with each message, which is most of what a call allocates",
	"internal/spawn/forbid_test.go":          "tests that forbid a system call by seccomp, to see that it is made, or what is done without it",

	"processutils/seccomp_linux_test.go":            "a test that forbids a system call by seccomp, to see that it is not made",
	"privsep/confine/children_verify_linux_test.go": "a test that calls what libcap wraps, to prove that it was refused",
	"privsep/daemon/service/peer_linux.go":          "getsockopt(2) with SO_PEERGROUPS",
	"privsep/internal/strict/plan_test.go":          "unsafe.Pointer as a type that plans must refuse",
}

// onlyFile are imports that one non-test file alone may have.
var onlyFile = map[string]string{
	"github.com/vmihailenco/msgpack/v5": "one file knows the library, so that every byte is checked before it (decoder bombs)",
	"github.com/dlclark/regexp2":        "one file knows the engine, so that every match has its time limit",
	"github.com/gofrs/flock":            "one file knows it: the engine of lock sets that ask for flock(2) alone",
}

// sourceFile is one file of the module with what it imports.
type sourceFile struct {
	path    string // from the module's root
	imports []string
	linux   bool // builds on Linux only, by its name or its constraint
	test    bool
}

func sources(t *testing.T) []sourceFile {
	t.Helper()
	g := tree(t)
	root := strings.TrimSuffix(g[full("./internal/archtest")].Dir, "/internal/archtest")
	if root == "" {
		t.Fatal("go list does not say where this package is")
	}
	var all []sourceFile
	for _, p := range g.own() {
		if len(p.CgoFiles) > 0 {
			t.Errorf("%s uses cgo", p.ImportPath)
		}
		for _, name := range slices.Concat(p.GoFiles, p.TestGoFiles, p.XTestGoFiles, p.IgnoredGoFiles) {
			all = append(all, parseFile(t, root, filepath.Join(p.Dir, name)))
		}
	}
	return all
}

func parseFile(t *testing.T, root, path string) sourceFile {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Rel(root, path)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimSuffix(filepath.Base(path), ".go")
	f := sourceFile{path: filepath.ToSlash(relative), test: strings.HasSuffix(name, "_test")}
	f.linux = strings.HasSuffix(strings.TrimSuffix(name, "_test"), "_linux") || constrainedToLinux(parsed)
	for _, i := range parsed.Imports {
		path, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		f.imports = append(f.imports, path)
	}
	return f
}

// constrainedToLinux reports whether the file's //go:build line is false everywhere else.
func constrainedToLinux(f *ast.File) bool {
	for _, group := range f.Comments {
		for _, c := range group.List {
			if c.Pos() > f.Package || !constraint.IsGoBuild(c.Text) {
				continue
			}
			if x, err := constraint.Parse(c.Text); err == nil {
				return !x.Eval(func(tag string) bool { return tag != "linux" })
			}
		}
	}
	return false
}

func TestRawSystemCalls(t *testing.T) {
	for _, f := range sources(t) {
		for _, path := range f.imports {
			if strings.HasPrefix(path, "golang.org/x/sys/") && !f.linux {
				t.Errorf("%s imports %s: only a _linux.go file (or one with //go:build linux) may, so that the rest is plain to read and builds anywhere", f.path, path)
			}
		}
	}
}

func TestUnsafe(t *testing.T) {
	used := map[string]bool{}
	for _, f := range sources(t) {
		if !slices.Contains(f.imports, "unsafe") {
			continue
		}
		used[f.path] = true
		if unsafeFiles[f.path] == "" {
			t.Errorf("%s imports unsafe, and no reason is written in unsafeFiles", f.path)
		}
	}
	for path := range unsafeFiles {
		if !used[path] {
			t.Errorf("%s no longer imports unsafe: remove it from unsafeFiles", path)
		}
	}
}

func TestOneFileKnowsTheLibrary(t *testing.T) {
	all := sources(t)
	for library, reason := range onlyFile {
		var in []string
		for _, f := range all {
			if !f.test && slices.Contains(f.imports, library) {
				in = append(in, f.path)
			}
		}
		if len(in) != 1 {
			t.Errorf("%s is imported by %q, want one file: %s", library, in, reason)
		}
	}
}
