package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

// manual names, for each list of words in a man page, the place in the source that knows these words: a word that one has
// and the other has not is an error of either.
var manual = []struct {
	page, section string         // of docs/man
	item          *regexp.Regexp // the first group is the word
	file          string
	known         func(*ast.File) []string
	but           []string // known, and on no page
}{
	{"privhelper.8", "Commands", regexp.MustCompile(`^\.It Cm (\S+)`), "cmd/privhelper/main.go", cases("dispatch"), []string{"help", "--help", "-h"}},
	{"privhelper.8", "Options", regexp.MustCompile(`^\.It Fl (-\S+)`), "cmd/privhelper/flags.go", dashed(cases("parseFlags")), nil},
	{"privhelper.8", "EXIT STATUS", regexp.MustCompile(`^\.It (\d+)$`), "cmd/privhelper/main.go", constants("exit"), nil},
	{"privhelper.8", "Exit codes of a helper", regexp.MustCompile(`^\.It (\d+)$`), "privsep/daemon/exit.go", constants("exit"), nil},
	{"privhelper.8", "Exit codes of lock", regexp.MustCompile(`^\.It (\d+)$`), "lockutils/lockcmd/lockcmd.go", constants("exit"), nil},
	{"privhelper.conf.5", "Options", regexp.MustCompile(`^\.It Ic (\S+)`), "filters/config.go", cases("set"), nil},
	{"privhelper.conf.5", "Options of the service", regexp.MustCompile(`^\.It Ic (\S+)`), "filters/service.go", cases("set"), nil},
	{"privhelper-filters.5", "Classes", regexp.MustCompile(`^\.It Ic (\S+)`), "filters/class.go", keys("classes"), nil},
	{"privhelper-filters.5", "A rule's own section", regexp.MustCompile(`^\.It Ic (\S+)`), "filters/section.go", keys("sectionKeys"), nil},
	{"privhelper-filters.5", "Deviations", regexp.MustCompile(`^\.It Ic (\S+)`), "filters/semantics.go", constants(""), nil},
	{"privhelper-filters.5", "Findings", regexp.MustCompile(`^\.It Ic (\S+)`), "filters/lint/names.go", constants(""), nil},
}

// TestManual compares the man pages with what the program knows.
func TestManual(t *testing.T) {
	for _, m := range manual {
		t.Run(m.page+" "+m.section, func(t *testing.T) {
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", m.file), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			known := slices.DeleteFunc(m.known(parsed), func(word string) bool { return slices.Contains(m.but, word) })
			said := items(t, m.page, m.section, m.item)
			if len(known) == 0 || len(said) == 0 {
				t.Fatalf("%s knows %q, the page says %q: one of them has another form now", m.file, known, said)
			}
			for _, word := range known {
				if !slices.Contains(said, word) {
					t.Errorf("%s knows %q, and %s does not say it", m.file, word, m.page)
				}
			}
			for _, word := range said {
				if !slices.Contains(known, word) {
					t.Errorf("%s says %q, and %s does not know it", m.page, word, m.file)
				}
			}
		})
	}
}

// TestManualLint has mandoc(1) judge the pages.
func TestManualLint(t *testing.T) {
	mandoc := testenv.NeedProgram(t, "mandoc", "mandoc")
	pages, err := filepath.Glob(filepath.Join("..", "..", "docs", "man", "*"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, page := range pages {
		if out, err := exec.Command(mandoc, "-Tlint", "-Wwarning", page).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

// items returns the words of the list in one section or subsection of a page.
func items(t *testing.T, page, section string, item *regexp.Regexp) (words []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "man", page))
	if err != nil {
		t.Fatal(err)
	}
	inside := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if title, ok := strings.CutPrefix(line, ".Sh "); ok {
			inside = title == section
		} else if title, ok := strings.CutPrefix(line, ".Ss "); ok {
			inside = title == section
		} else if m := item.FindStringSubmatch(line); inside && m != nil {
			words = append(words, m[1])
		}
	}
	return words
}

// cases returns a function that finds the strings of all case clauses of a function.
func cases(function string) func(*ast.File) []string {
	return func(f *ast.File) (words []string) {
		inspect(f, function, func(n ast.Node) {
			if c, ok := n.(*ast.CaseClause); ok {
				words = append(words, literals(c.List)...)
			}
		})
		return words
	}
}

// constants finds the values of the constants whose names begin so.
func constants(prefix string) func(*ast.File) []string {
	return func(f *ast.File) (words []string) {
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, s := range g.Specs {
				if v := s.(*ast.ValueSpec); strings.HasPrefix(v.Names[0].Name, prefix) {
					words = append(words, literals(v.Values)...)
				}
			}
		}
		return words
	}
}

// keys finds the keys of a package's map.
func keys(variable string) func(*ast.File) []string {
	return func(f *ast.File) (words []string) {
		ast.Inspect(f, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || v.Names[0].Name != variable || len(v.Values) != 1 {
				return true
			}
			if m, ok := v.Values[0].(*ast.CompositeLit); ok {
				for _, e := range m.Elts {
					words = append(words, literals([]ast.Expr{e.(*ast.KeyValueExpr).Key})...)
				}
			}
			return false
		})
		return words
	}
}

// dashed leaves what begins with two dashes, without the first, which mdoc writes by itself.
func dashed(find func(*ast.File) []string) func(*ast.File) []string {
	return func(f *ast.File) (words []string) {
		for _, w := range find(f) {
			if option, ok := strings.CutPrefix(w, "--"); ok {
				words = append(words, "-"+option)
			}
		}
		return words
	}
}

func inspect(f *ast.File, function string, visit func(ast.Node)) {
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Name.Name == function {
			ast.Inspect(fn, func(n ast.Node) bool { visit(n); return true })
		}
	}
}

func literals(list []ast.Expr) (words []string) {
	for _, e := range list {
		l, ok := e.(*ast.BasicLit)
		switch {
		case !ok:
		case l.Kind == token.STRING:
			if s, err := strconv.Unquote(l.Value); err == nil && s != "" {
				words = append(words, s)
			}
		case l.Kind == token.INT:
			words = append(words, l.Value)
		}
	}
	return words
}
