package main

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/privhelper/privhelper/filters/lint"
	"github.com/privhelper/privhelper/internal/pyjson"
)

// print writes a line a finding, errors to errs, and then what was read.
func (c *checked) print(out, errs io.Writer) {
	counts := map[lint.Severity]int{}
	accepted := 0
	for _, f := range c.findings {
		if f.Accepted != "" {
			accepted++
			continue
		}
		counts[f.Severity]++
		to := out
		if f.Severity == lint.Error {
			to = errs
		}
		fmt.Fprintln(to, printable(f.String()))
		if f.Instead != "" {
			fmt.Fprintf(to, "    write: %s\n", printable(f.Instead))
		}
	}
	if c.loaded == nil {
		return
	}
	fmt.Fprintf(out, "%s: %d files, %d rules, semantics %s, policy %s\n", c.config, len(c.loaded.Files), len(c.loaded.Policy.Rules()),
		c.loaded.Config.Semantics, c.loaded.Policy.Hash())
	fmt.Fprintf(out, "%s: %s, %s, %d accepted\n", c.config, number(counts[lint.Warning], "warning"), number(counts[lint.Note], "note"), accepted)
}

func number(n int, of string) string {
	if n != 1 {
		of += "s"
	}
	return fmt.Sprintf("%d %s", n, of)
}

// printable replaces what a terminal would obey: control and bidi characters of a file that somebody else wrote.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// json is one object: what was read, and all findings, the accepted ones too.
func (c *checked) json() []byte {
	var o pyjson.Object
	o.String("config", c.config)
	if c.loaded != nil {
		o.Strings("files", c.loaded.Files)
		o.Int("rules", int64(len(c.loaded.Policy.Rules())))
		o.String("semantics", c.loaded.Config.Semantics.String())
		o.String("policy", c.loaded.Policy.Hash())
	}
	list := []byte{'['}
	for i, f := range c.findings {
		if i > 0 {
			list = append(list, ", "...)
		}
		var one pyjson.Object
		one.String("file", f.File)
		one.Int("line", int64(f.Line))
		one.String("severity", f.Severity.String())
		one.String("name", string(f.Name))
		one.String("rule", f.Rule)
		one.String("message", f.Msg)
		one.String("instead", f.Instead)
		one.String("accepted", f.Accepted)
		list = append(list, one.End()...)
	}
	o.Raw("findings", append(list, ']'))
	return o.End()
}
