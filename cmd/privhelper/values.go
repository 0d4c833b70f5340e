package main

import (
	"fmt"
	"slices"
	"strings"
)

// takeValues reads options that each take a value, up to --, the first argument that is none, or the end. Those not given are
// "". rest is what follows.
func takeValues(args []string, known ...string) (values map[string]string, rest []string, err error) {
	values = map[string]string{}
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		if args[0] == "--" {
			return values, args[1:], nil
		}
		name, value, hasValue := strings.Cut(args[0], "=")
		if !slices.Contains(known, name) {
			return nil, nil, fmt.Errorf("no option %s here; a command that begins with - comes after --", name)
		}
		if args = args[1:]; !hasValue {
			if len(args) == 0 {
				return nil, nil, fmt.Errorf("%s needs a value", name)
			}
			value, args = args[0], args[1:]
		}
		values[name] = value
	}
	return values, args, nil
}
