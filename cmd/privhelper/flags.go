package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/lint"
)

// flags are what the subcommands take before a command line. Each takes some.
type flags struct {
	config      string
	semantics   *filters.Semantics
	json        bool
	openMetrics bool // status: for a textfile collector
	untrusted   bool
	failOn      lint.Severity // check: from which severity on the exit code is not 0
	sudoers     string        // check: a sudoers file, or - for what sudo -l prints
	token       int64         // run: the fencing token; 0: none
	runAs       string        // suggest: whom a command that was refused is to run as
	control     string        // status: the control socket of a service
	args        []string      // what follows
}

// parseToken reads a fencing token.
func parseToken(value string) (int64, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("--fence-token: %q is no fencing token, which is a number above 0", value)
	}
	return n, nil
}

// valued are the options with a value.
var valued = []string{"--config", "--semantics", "--fail-on", "--sudoers", "--run-as", "--control", "--fence-token"}

// parseFlags reads flags up to --, the first argument that is none, or the end. The package flag is not used: it takes
// -config for --config, and goes on to read a command's own arguments.
func parseFlags(args []string, allowed string) (f flags, err error) {
	f.config, f.failOn, f.runAs = defaultConfig, lint.Error, "root"
	for len(args) > 0 {
		name, value, hasValue := strings.Cut(args[0], "=")
		if args[0] == "--" {
			f.args = args[1:]
			return f, nil
		}
		if !strings.HasPrefix(name, "-") {
			break
		}
		if !strings.Contains(" "+allowed+" ", " "+name+" ") {
			return f, fmt.Errorf("no option %s here; a command that begins with - comes after --", name)
		}
		args = args[1:]
		if slices.Contains(valued, name) {
			if !hasValue {
				if len(args) == 0 {
					return f, fmt.Errorf("%s needs a value", name)
				}
				value, args = args[0], args[1:]
			}
		} else if hasValue {
			return f, fmt.Errorf("%s takes no value", name)
		}
		switch name {
		case "--config":
			f.config = value
		case "--semantics":
			s, err := filters.ParseSemantics(value)
			if err != nil {
				return f, err
			}
			f.semantics = &s
		case "--json":
			f.json = true
		case "--openmetrics":
			f.openMetrics = true
		case "--untrusted-files":
			f.untrusted = true
		case "--fail-on":
			if f.failOn, err = lint.ParseSeverity(value); err != nil {
				return f, err
			}
		case "--fence-token":
			if f.token, err = parseToken(value); err != nil {
				return f, err
			}
		case "--sudoers":
			f.sudoers = value
		case "--run-as":
			f.runAs = value
		case "--control":
			f.control = value
		}
	}
	f.args = args
	return f, nil
}
