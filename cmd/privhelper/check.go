package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/filters/lint"
)

// exitFindings is check's own: nothing is wrong enough for a helper to refuse, and --fail-on asked for less.
const exitFindings = 1

// check is `privhelper check`: it reads what the daemon would read, and judges it as the daemon would, without root. Then it
// says what is weak.
func check(args []string) int {
	f, err := parseFlags(args, "--config --untrusted-files --json --fail-on --sudoers")
	if err == nil && len(f.args) > 0 {
		err = fmt.Errorf("takes no command")
	}
	if err != nil {
		return fail(exitNoCommand, "check: %v", err)
	}
	if err := giveUpRoot(); err != nil {
		return fail(exitBadConfig, "check: %v", err)
	}
	c := checked{config: f.config}
	if f.sudoers != "" {
		text, err := readSudoers(f.sudoers)
		if err != nil {
			return fail(exitBadConfig, "check: %v", err)
		}
		c.findings = lint.Sudoers(f.sudoers, text)
	}
	if c.loaded, err = host.Load(f.config, host.Options{UntrustedFiles: f.untrusted}); err != nil {
		var e *filters.Error
		if !errors.As(err, &e) {
			fmt.Fprintln(os.Stderr, err) // who could have written it: nothing in it is worth judging
			return exitBadConfig
		}
		c.errors(e)
	} else if err := c.weaknesses(); err != nil {
		return fail(exitBadConfig, "check: %v", err)
	}
	if f.json {
		os.Stdout.Write(append(c.json(), '\n'))
	} else {
		c.print(os.Stdout, os.Stderr)
	}
	switch worst, any := lint.Worst(c.findings); {
	case any && worst == lint.Error:
		return exitBadConfig
	case any && worst >= f.failOn:
		return exitFindings
	}
	return 0
}

// readSudoers reads a file, or with - the standard input: what sudo -l prints. It is judged, not obeyed, so whoever owns it.
func readSudoers(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(io.LimitReader(os.Stdin, maxSudoers))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSudoers))
}

const maxSudoers = 1 << 20

// checked is what check has to say.
type checked struct {
	config   string
	loaded   *host.Loaded // nil where the policy has errors
	findings []lint.Finding
}

// weaknesses judges a policy that loads.
func (c *checked) weaknesses() error {
	l := c.loaded
	in := lint.Input{Config: l.Config, Policy: l.Policy, Machine: lintMachine{l.Machine}}
	for _, file := range l.Files[1:] {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		in.Sources = append(in.Sources, filters.Source{File: file, Text: text})
	}
	if text, err := os.ReadFile("/etc/nsswitch.conf"); err == nil {
		in.Nsswitch = string(text)
	}
	found := lint.Check(in)
	said := map[string]bool{}
	for _, f := range found {
		said[fmt.Sprint(f.File, f.Line, f.Name)] = true
	}
	for _, w := range l.Warnings {
		if !said[fmt.Sprint(w.File, w.Line, lint.IgnoredArguments)] { // says it in its own words
			c.findings = append(c.findings, lint.Finding{File: w.File, Line: w.Line, Severity: lint.Warning, Name: lint.Load, Msg: w.Msg})
		}
	}
	c.findings = append(c.findings, found...)
	return nil
}

// errors finds all errors of a policy, of which loading met the first.
func (c *checked) errors(first *filters.Error) {
	list := []*filters.Error{first}
	if cfg, sources, ok := c.reread(); ok {
		if _, _, all := lint.Parse(cfg, sources); len(all) > 0 {
			list = all
		}
	}
	for _, e := range list {
		name := lint.Load
		if e.Deviation != "" {
			name = lint.Name(e.Deviation)
		}
		c.findings = append(c.findings, lint.Finding{File: e.File, Line: e.Line, Severity: lint.Error, Name: name, Msg: e.Msg})
	}
}

// reread reads what loading had read and, after an error, does not give.
func (c *checked) reread() (cfg filters.Config, sources []filters.Source, ok bool) {
	text, err := os.ReadFile(c.config)
	if err != nil {
		return cfg, nil, false
	}
	if cfg, _, err = filters.ParseConfig(c.config, text, false); err != nil {
		return cfg, nil, false
	}
	pattern := "*.filters"
	if cfg.Semantics == filters.Oslo {
		pattern = "[!.]*"
	}
	for _, dir := range cfg.FiltersPath {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return cfg, nil, false
		}
		for _, file := range files {
			if text, err := os.ReadFile(file); err == nil {
				sources = append(sources, filters.Source{File: file, Text: text})
			}
		}
	}
	return cfg, sources, true
}
