package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/privhelper/privhelper"

// pkg is what `go list` says of one package. Imports are those of its non-test files.
type pkg struct {
	ImportPath  string
	Name        string
	Dir         string
	Standard    bool
	Imports     []string
	ImportMap   map[string]string
	GoFiles     []string
	CgoFiles    []string
	TestGoFiles []string

	XTestGoFiles   []string
	IgnoredGoFiles []string
}

// graph is the import graph of the module as the shipping build sees it (linux, no cgo), by import path.
type graph map[string]pkg

var load = sync.OnceValues(func() (graph, error) {
	cmd := exec.Command("go", "list", "-deps", "-json", module+"/...")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil, errors.New(err.Error() + ": " + string(exit.Stderr))
	} else if err != nil {
		return nil, err
	}
	g := graph{}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		switch err := decoder.Decode(&p); {
		case errors.Is(err, io.EOF):
			return g, nil
		case err != nil:
			return nil, err
		}
		g[p.ImportPath] = p
	}
})

func tree(t *testing.T) graph {
	t.Helper()
	g, err := load()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return g
}

// own are the packages of this module.
func (g graph) own() []pkg {
	var own []pkg
	for path, p := range g {
		if path == module || strings.HasPrefix(path, module+"/") {
			own = append(own, p)
		}
	}
	return own
}

// linked returns everything that from links, itself included, each with the package that brought it.
func (g graph) linked(from string) map[string]string {
	by := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		p := g[queue[0]]
		for _, path := range p.Imports {
			if mapped, ok := p.ImportMap[path]; ok {
				path = mapped
			}
			if _, seen := by[path]; !seen {
				by[path] = queue[0]
				queue = append(queue, path)
			}
		}
	}
	return by
}

// road says by which imports a package came in, from the package that was asked about to it.
func road(by map[string]string, to string) string {
	road := to
	for from := by[to]; from != ""; from = by[from] {
		road = from + " → " + road
	}
	return strings.ReplaceAll(road, module+"/", "")
}
