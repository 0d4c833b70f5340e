package main

import (
	"fmt"
	"os"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/internal/pyjson"
)

// explain is `privhelper explain`: the verdict that run would act on, and its reasons.
func explain(args []string) int {
	f, err := parseFlags(args, "--config --semantics --json --untrusted-files")
	if err != nil {
		return fail(exitNoCommand, "explain: %v", err)
	}
	if len(f.args) == 0 {
		return fail(exitNoCommand, "explain: no command: privhelper explain [--config FILE] [--] CMD [ARG...]")
	}
	loaded, err := host.Load(f.config, host.Options{UntrustedFiles: f.untrusted, Semantics: f.semantics})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitBadConfig
	}
	v := loaded.Policy.Decide(loaded.Machine, filters.Request{Argv: f.args})
	defer v.Close()
	if f.json {
		os.Stdout.Write(append(verdictJSON(v), '\n'))
	} else {
		printVerdict(v)
	}
	switch v.Outcome {
	case filters.Match:
		return 0
	case filters.NotExecutable:
		return exitNotExecutable
	}
	return exitUnauthorized
}

// quoted is text that comes from a file or the caller, safe for a terminal.
func quoted(s string) string { return string(pyjson.String(nil, s)) }

func printVerdict(v filters.Verdict) {
	switch v.Outcome {
	case filters.Match:
		fmt.Printf("allowed by rule %s (%s), %s:%d\n", v.Rule.Name, v.Rule.Class, v.Rule.File, v.Rule.Line)
		if v.Kill != nil {
			fmt.Printf("  the helper itself sends signal %d\n", v.Kill.Signal)
		} else {
			fmt.Printf("  runs %s as %s\n", pyjson.Strings(nil, v.Command()), v.RunAs)
		}
		for _, e := range v.Env {
			fmt.Printf("  with %s\n", quoted(e))
		}
		for _, u := range v.Unsafe {
			fmt.Printf("  unsafe: %s: strict semantics refuses this\n", u)
		}
	case filters.NotExecutable:
		fmt.Printf("rule %s (%s), %s:%d, allows it, but %s is missing or not executable\n", v.Rule.Name, v.Rule.Class,
			v.Rule.File, v.Rule.Line, quoted(v.Rule.Exec))
	default:
		fmt.Println("refused: no rule allows it")
	}
	for _, n := range v.Near {
		if n.Rule == nil {
			fmt.Printf("  %s\n", n.Reason)
			continue
		}
		fmt.Printf("  near: rule %s (%s), %s:%d: %s", n.Rule.Name, n.Rule.Class, n.Rule.File, n.Rule.Line, n.Reason)
		if n.Deviation != "" {
			fmt.Printf(" (%s)", n.Deviation)
		}
		fmt.Println()
	}
}

func verdictJSON(v filters.Verdict) []byte {
	var o pyjson.Object
	o.String("outcome", v.Outcome.String())
	if v.Rule != nil {
		o.String("filter", v.Rule.Name)
		o.String("class", v.Rule.Class)
		o.String("file", v.Rule.File)
		o.Int("line", int64(v.Rule.Line))
		o.String("run_as", v.RunAs)
	}
	o.Strings("command", v.Command())
	o.Strings("env", v.Env)
	o.Strings("unsafe", v.Unsafe)
	near := []byte{'['}
	for i, n := range v.Near {
		if i > 0 {
			near = append(near, ", "...)
		}
		var one pyjson.Object
		name := ""
		if n.Rule != nil {
			name = n.Rule.Name
		}
		one.String("filter", name)
		one.String("reason", n.Reason)
		near = append(near, one.End()...)
	}
	o.Raw("near", append(near, ']'))
	return o.End()
}
