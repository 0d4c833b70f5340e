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
	request := filters.Request{Argv: f.args, Client: caller(loaded)}
	v := loaded.Policy.Decide(loaded.Machine, request)
	defer v.Close()
	loaded.Policy.Explain(loaded.Machine, request, &v)
	if f.json {
		os.Stdout.Write(append(verdictJSON(v), '\n'))
	} else {
		printer{os.Stdout, colours(os.Stdout)}.verdict(v, f.args, loaded.Policy.Rules())
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

func verdictJSON(v filters.Verdict) []byte {
	var o pyjson.Object
	o.String("outcome", v.Outcome.String())
	if v.Learned {
		o.Raw("learned", []byte("true"))
	}
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
