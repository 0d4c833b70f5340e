package filters_test

import (
	"errors"
	"path"
	"strings"

	"github.com/privhelper/privhelper/filters"
)

// fake is a machine without a kernel: every program exists in /usr/sbin, links are a table, processes too.
type fake struct {
	links    map[string]string // path → where it leads
	programs map[int]string    // pid → the program it runs
	distrust map[string]bool   // programs that others can write
	missing  map[string]bool   // programs that are not there
	closed   *int              // processes given back
}

func (f *fake) Executable(p string, trusted bool) (string, error) {
	if f.missing[p] || !strings.HasPrefix(p, "/usr/") && !strings.HasPrefix(p, "/bin/") && !strings.HasPrefix(p, "/opt/") {
		return "", filters.ErrNotExecutable
	}
	if trusted && f.distrust[p] {
		return "", errors.New(p + " is writable by group adm")
	}
	if trusted && f.links[p] != "" {
		return f.links[p], nil
	}
	return p, nil
}

func (f *fake) RealPath(p string) string {
	if !strings.HasPrefix(p, "/") {
		p = "/cwd/" + p
	}
	for from, to := range f.links {
		if p == from || strings.HasPrefix(p, from+"/") {
			p = to + p[len(from):]
		}
	}
	return path.Clean(p)
}

func (f *fake) Beneath(dir, p string) (string, error) {
	canonical := f.RealPath(p)
	if d := strings.TrimSuffix(dir, "/"); canonical != d && !strings.HasPrefix(canonical, d+"/") {
		return "", errors.New("it leads to " + canonical)
	}
	return canonical, nil
}

// Open gives what closed counts when it comes back.
func (f *fake) Open(dir, p string) (filters.Held, error) {
	if f.missing[p] {
		return nil, errors.New("no such file")
	}
	return &fakeProcess{p, f}, nil
}

func (p *fakeProcess) Fd() uintptr { return 0 }

func (f *fake) Program(pid int64) (string, error) {
	if p, ok := f.programs[int(pid)]; ok {
		return p, nil
	}
	return "", errors.New("no such process")
}

func (f *fake) Process(pid int) (filters.Process, error) {
	if p, ok := f.programs[pid]; ok {
		return &fakeProcess{p, f}, nil
	}
	return nil, errors.New("no such process")
}

type fakeProcess struct {
	program string
	machine *fake
}

func (p *fakeProcess) Runs(path string) error {
	if p.program != path {
		return errors.New("it runs " + p.program)
	}
	return nil
}

func (p *fakeProcess) Signal(int) error { return nil }

func (p *fakeProcess) Close() error {
	if p.machine.closed != nil {
		*p.machine.closed++
	}
	return nil
}

// judge decides and says why.
func judge(p *filters.Policy, m filters.Machine, r filters.Request) filters.Verdict {
	v := p.Decide(m, r)
	p.Explain(m, r, &v)
	return v
}

// policy parses one file of rules.
func policy(semantics filters.Semantics, rules string) (*filters.Policy, []filters.Warning, error) {
	cfg := filters.Config{File: "test.conf", ExecDirs: []string{"/usr/sbin", "/usr/bin"}, Semantics: semantics}
	return filters.ParsePolicy(cfg, []filters.Source{{File: "test.filters", Text: []byte("[Filters]\n" + rules)}})
}
