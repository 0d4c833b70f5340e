// Package filters reads policy files and decides which commands they allow.
//
// It is linked by the root helper and by its tools, and does no I/O of its own: text goes in, a Policy comes out, and
// what a decision must ask of the machine goes through the interface Machine. filters/host has the real one, and reads
// the files with their owners checked.
//
//	policy, _, err := filters.ParsePolicy(cfg, []filters.Source{{File: "net.filters", Text: text}})
//	v := policy.Decide(machine, filters.Request{Argv: []string{"ip", "link", "show"}})
//	defer v.Close()
//	if v.Outcome == filters.Match { … execute v.Path with v.Argv … }
//
// The format is oslo.rootwrap's, and so is the meaning, to the letter of Python's parser and regular expressions, where
// the semantics are Oslo. Strict semantics refuses more, in the ways that the constants of type Deviation name.
package filters

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync/atomic"
)

// privsepHelper is the command that rootwrap allows with any arguments, whatever the policy says.
const privsepHelper = "privsep-helper"

// A Source is the text of one policy file. Their order is the order of the rules.
type Source struct {
	File string
	Text []byte
}

// A Policy decides which commands may run. It never changes and may be used by many goroutines at once; the zero value
// allows nothing.
type Policy struct {
	semantics Semantics
	execDirs  []string
	rules     []*Rule
	index     *index
	envs      []int32                    // the EnvFilters
	leafEnvs  map[string][]int32         // the same by run_as
	places    []atomic.Pointer[[]string] // of each rule: see paths
	hash      string

	learnFile  string // "" if no rule is learning
	learnAllow bool
}

// ParsePolicy reads policy files. In Strict semantics anything that cannot mean what its author thinks refuses the
// policy; in Oslo rules that rootwrap skips are skipped with a warning. Errors are of type *Error.
//
// Whether the users of run_as exist is not asked here.
func ParsePolicy(cfg Config, files []Source) (*Policy, []Warning, error) {
	if err := cfg.validate(); err != nil {
		return nil, nil, err
	}
	var warnings []Warning
	b := &builder{semantics: cfg.Semantics, detached: cfg.Detached || cfg.Semantics == Oslo, none: &Section{}, patterns: make(map[string]*pattern)}
	b.warn = func(file string, line int, msg string) { warnings = append(warnings, Warning{file, line, msg}) }
	p := &Policy{semantics: cfg.Semantics, hash: hashOf(&cfg, files), learnFile: cfg.LearnFile, learnAllow: cfg.LearnAllow}
	for _, dir := range cfg.ExecDirs {
		if !isAbs(dir) {
			b.warn(cfg.File, cfg.Lines["exec_dirs"], fmt.Sprintf("exec_dirs: %q is not an absolute path and is left out", dir))
			continue
		}
		p.execDirs = append(p.execDirs, dir)
	}
	files, learning, err := cfg.learningLast(files)
	if err != nil {
		return nil, nil, err
	}
	for i, f := range files {
		rules, err := b.file(f)
		if err != nil {
			return nil, nil, err
		}
		for _, r := range rules {
			r.Learning = learning && i == len(files)-1
		}
		p.rules = append(p.rules, rules...)
	}
	if cfg.Semantics == Oslo {
		p.rules = append(p.rules, &Rule{
			Name: privsepHelper, Class: "CommandFilter", File: "built into rootwrap", Exec: privsepHelper, RunAs: "root",
			Section: b.none, Detached: true, kind: command{}, strange: BuiltinPrivsepHelper,
		})
	}
	p.leafEnvs = make(map[string][]int32)
	for i, r := range p.rules {
		if err := r.keep(&cfg); err != nil {
			return nil, nil, err
		}
		r.index = int32(i)
		if _, ok := r.kind.(*env); ok {
			p.envs = append(p.envs, int32(i))
			p.leafEnvs[r.RunAs] = append(p.leafEnvs[r.RunAs], int32(i))
		}
	}
	p.index, p.places = newIndex(p.rules), make([]atomic.Pointer[[]string], len(p.rules))
	return p, warnings, nil
}

// file reads the rules of one file.
func (b *builder) file(f Source) ([]*Rule, error) {
	if i := bytes.IndexByte(f.Text, 0); i >= 0 && b.semantics == Strict { // rootwrap loads it, and such a rule never runs
		return nil, &Error{File: f.File, Line: 1 + bytes.Count(f.Text[:i], []byte("\n")), Deviation: BadLine,
			Msg: "holds a NUL byte, which can be in no path and no argument"}
	}
	doc, err := parseINI(f.File, f.Text, false)
	if err != nil {
		return nil, err
	}
	own := doc.byName[filtersSection]
	if own == nil {
		return nil, &Error{File: f.File, Line: 1, Msg: "has no section [Filters]"}
	}
	items := withDefaults(&doc.defaults, own)
	made := make([]Rule, len(items))
	rules := make([]*Rule, 0, len(items))
	commas := 0
	for i := range items {
		commas += strings.Count(items[i].value, ",")
	}
	written := make([]string, 0, commas+len(items))
	for i := range items {
		r := &made[i]
		r.Name, r.File, r.Line, r.Section, r.Detached = items[i].name, f.File, items[i].line, b.none, b.detached
		if b.semantics == Oslo && !strings.HasSuffix(f.File, ".filters") {
			r.strange = FileNames
		}
		begin := len(written)
		written = fields(written, items[i].value)
		b.text = items[i].value
		ok, err := b.build(r, written[begin:len(written):len(written)])
		if err != nil {
			return nil, err
		}
		if ok {
			rules = append(rules, r)
		}
	}
	return rules, b.ownSections(f.File, doc, rules)
}

// withDefaults returns the items of [Filters] as Python counts them: those of [DEFAULT] first, and where a name stands
// in both the place of the first with the value of the second.
func withDefaults(defaults, own *section) []item {
	if len(defaults.items) == 0 {
		return own.items
	}
	all := section{at: make(map[string]int)}
	for _, it := range defaults.items {
		all.set(it)
	}
	for _, it := range own.items {
		all.set(it)
	}
	return all.items
}

// ownSections gives each rule the section of its name.
func (b *builder) ownSections(file string, doc *document, rules []*Rule) error {
	if len(doc.sections) == 1 {
		return nil
	}
	byName := make(map[string]*Rule, len(rules))
	for _, r := range rules {
		byName[r.Name] = r
	}
	for _, s := range doc.sections {
		if s.name == filtersSection {
			continue
		}
		owner := byName[lower(s.name)]
		switch {
		case owner != nil:
			if err := owner.adopt(s); err != nil {
				return err
			}
		case b.semantics == Strict:
			return &Error{File: file, Line: s.line, Msg: fmt.Sprintf("section [%s] is for no rule of this file", s.name), Deviation: BadLine}
		default:
			b.warn(file, s.line, fmt.Sprintf("section [%s] is for no rule of this file and has no effect", s.name))
		}
	}
	return nil
}

// hashOf is over everything that a decision depends on: the semantics, the configuration, and each file with its name.
func hashOf(cfg *Config, files []Source) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s %x %d\n", cfg.Semantics, cfg.sum, len(files))
	fmt.Fprintf(h, "%q %q %q %t\n", cfg.FiltersPath, cfg.ExecDirs, cfg.Capabilities, cfg.HasCapabilities)
	if cfg.LearnFile != "" {
		fmt.Fprintf(h, "%q %t\n", cfg.LearnFile, cfg.LearnAllow)
	}
	for _, f := range files {
		fmt.Fprintf(h, "%q %d\n", f.File, len(f.Text))
		h.Write(f.Text)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Hash returns a hexadecimal SHA-256 over the configuration and the files that were read. Two policies of one hash decide
// alike on one machine.
func (p *Policy) Hash() string { return p.hash }

// Rules returns all rules in the order in which they are asked. The caller must not change them.
func (p *Policy) Rules() []*Rule { return p.rules }

// Semantics returns whose reading the policy decides by.
func (p *Policy) Semantics() Semantics { return p.semantics }
