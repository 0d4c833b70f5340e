package lint

import (
	_ "embed"
	"strings"
	"sync"
)

//go:embed programs.txt
var programsText string

// A Program is what is known of a program that a broad rule should not name.
type Program struct {
	Power   string // shell, write, own, read or stop
	How     string // completes "NAME …"
	Instead string // %r stands for the rule's run_as
}

var programs = sync.OnceValue(func() map[string]Program {
	m := make(map[string]Program)
	for line := range strings.Lines(programsText) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.SplitN(line, "|", 4)
		for name := range strings.FieldsSeq(f[0]) {
			m[name] = Program{strings.TrimSpace(f[1]), strings.TrimSpace(f[2]), strings.TrimSpace(f[3])}
		}
	}
	return m
})

// Dangerous says what is known of a program by the last part of its path. A version at its end does not count: python3.11
// is python.
func Dangerous(executable string) (Program, bool) {
	name := executable[strings.LastIndexByte(executable, '/')+1:]
	if p, ok := programs()[name]; ok {
		return p, true
	}
	p, ok := programs()[strings.TrimRight(name, "0123456789.-")]
	return p, ok
}

// consequence is what a program of a power is worth to the caller.
func consequence(power, runAs string) string {
	switch power {
	case "shell":
		return "the rule is a shell as " + runAs
	case "write":
		return "whoever writes the files of " + runAs + " becomes " + runAs
	case "own":
		return "the rule is as good as being " + runAs
	case "read":
		return "the rule shows all that " + runAs + " may read, keys and passwords included"
	}
	return "the rule stops what others rely on"
}
