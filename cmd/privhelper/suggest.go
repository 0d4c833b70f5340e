package main

import (
	"fmt"
	"io"
	"os"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/filters/lint"
	"github.com/privhelper/privhelper/filters/suggest"
)

// suggestRules is `privhelper suggest`: narrow rules for what the audit log says was refused, or ran under broad ones.
// Nothing is installed, and root is needed only to read a log that is root's.
func suggestRules(args []string) int {
	f, err := parseFlags(args, "--config --untrusted-files --run-as")
	if err != nil {
		return fail(exitNoCommand, "suggest: %v", err)
	}
	// The log is the client's choice of words: what parses it need not be root.
	if err := giveUpRoot(); err != nil {
		return fail(exitBadConfig, "suggest: %v", err)
	}
	lines, skipped, err := readLogs(f.args)
	if err != nil {
		return fail(exitBadConfig, "suggest: %v", err)
	}
	c := checked{config: f.config}
	if c.loaded, err = host.Load(f.config, host.Options{UntrustedFiles: f.untrusted}); err == nil {
		err = c.weaknesses()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitBadConfig
	}
	kept, narrow := c.broad(lines)
	p := suggest.Propose(kept, suggest.Options{RunAs: f.runAs})
	fmt.Print(p.Text())
	fmt.Fprintf(os.Stderr, "privhelper: %d decisions: %d under rules that are narrow already, %d for %d proposed rules; %d cut, %d other lines\n",
		len(lines), narrow, len(kept), len(p.Rules), skipped.Cut, skipped.Other)
	return 0
}

// readLogs reads the files of an audit log, or the standard input where none is named.
func readLogs(names []string) (lines []suggest.Line, skipped suggest.Skipped, err error) {
	read := func(r io.Reader) error {
		more, not, err := suggest.Read(r)
		lines = append(lines, more...)
		skipped.Cut += not.Cut
		skipped.Other += not.Other
		return err
	}
	if len(names) == 0 {
		return lines, skipped, read(os.Stdin)
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return nil, skipped, err
		}
		err = read(f)
		if err := f.Close(); err != nil {
			return nil, skipped, err
		}
		if err != nil {
			return nil, skipped, fmt.Errorf("%s: %w", name, err)
		}
	}
	return lines, skipped, nil
}

// tooBroad are the findings for which a rule should be replaced.
var tooBroad = map[lint.Name]bool{
	lint.DangerousProgram: true, lint.AnyArguments: true, lint.IgnoredArguments: true, lint.OpenPattern: true,
	lint.OptionPattern: true, lint.Traversal: true, lint.BroadPath: true,
}

// broad leaves out the lines that the policy, as it is now, allows by rules that are narrow.
func (c *checked) broad(lines []suggest.Line) (kept []suggest.Line, narrow int) {
	weak := map[string]bool{}
	for _, f := range c.findings {
		if tooBroad[f.Name] && f.Accepted == "" {
			weak[fmt.Sprintf("%s:%d", f.File, f.Line)] = true
		}
	}
	for _, l := range lines {
		v := c.loaded.Policy.Decide(c.loaded.Machine, filters.Request{Argv: l.Argv, Env: l.Env, Dir: l.Dir, Client: c.loaded.Client(l.UID, nil)})
		allowed := v.Outcome == filters.Match && !v.Learned && !weak[fmt.Sprintf("%s:%d", v.Rule.File, v.Rule.Line)]
		_ = v.Close()
		if allowed {
			narrow++
			continue
		}
		kept = append(kept, l)
	}
	return kept, narrow
}
