package lint

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"sync"
)

// Sudoers judges who may start a root helper, by the text of a sudoers(5) file or of what `sudo -l -U USER` prints. file
// is its name for the findings. Included files and aliases of users are not followed: the output of sudo -l has all that
// counts for one user. What is no line of either is passed over, since sudo itself judges syntax.
func Sudoers(file string, text []byte) []Finding {
	s := &sudoers{file: file}
	number, from, logical := 0, 0, ""
	for l := range strings.Lines(string(text)) {
		number++
		if logical == "" {
			from = number
		}
		l = strings.TrimRight(l, "\r\n")
		if rest, more := strings.CutSuffix(l, `\`); more {
			logical += rest + " "
			continue
		}
		s.line(from, logical+l)
		logical = ""
	}
	s.line(from, logical)
	return s.found
}

type sudoers struct {
	file  string
	found []Finding
}

func (s *sudoers) add(line int, sev Severity, n Name, instead, format string, args ...any) {
	s.found = append(s.found, Finding{File: s.file, Line: line, Severity: sev, Name: n, Msg: fmt.Sprintf(format, args...), Instead: instead})
}

var (
	aliasLine = compiled(`^(User|Host|Runas)_Alias\b`)
	runas     = compiled(`^\([^)]*\)\s*`)
	tag       = compiled(`^([A-Z_]+):\s*`)
	digest    = compiled(`^sha\d+:\S+\s+`)
	wildcard  = compiled(`(^|[^\\])[*?[]`)
)

// compiled is an expression that is compiled when first needed: who lints no sudoers has it too.
func compiled(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

// line judges one logical line.
func (s *sudoers) line(number int, text string) {
	trimmed := strings.TrimSpace(text)
	switch {
	case trimmed == "" || trimmed[0] == '#' || trimmed[0] == '@' || aliasLine().MatchString(trimmed):
		return
	case strings.HasPrefix(trimmed, "Defaults"):
		s.defaults(number, trimmed)
		return
	}
	spec := trimmed
	if !strings.HasPrefix(trimmed, "(") { // a sudoers file's: USER HOST = …
		_, after, ok := strings.Cut(trimmed, "=")
		if !ok {
			return
		}
		spec = strings.TrimSpace(after)
	}
	for _, command := range splitUnescaped(spec) {
		s.command(number, command)
	}
}

// defaults finds options that hand the caller's environment to root.
func (s *sudoers) defaults(number int, text string) {
	for _, option := range []string{"!env_reset", "setenv"} {
		if regexp.MustCompile(`(^|[\s,])` + option + `(\s|,|$)`).MatchString(text) {
			s.add(number, Warning, SudoersEnvironment, "no such option", "Defaults %s: the caller's environment comes to every command, loaders' variables included", option)
		}
	}
}

// splitUnescaped cuts a list of commands at its commas.
func splitUnescaped(text string) (parts []string) {
	from := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '(':
			if end := strings.IndexByte(text[i:], ')'); end > 0 {
				i += end
			}
		case ',':
			parts = append(parts, strings.TrimSpace(text[from:i]))
			from = i + 1
		}
	}
	return append(parts, strings.TrimSpace(text[from:]))
}

// command judges one command that may be run.
func (s *sudoers) command(number int, text string) {
	text = runas().ReplaceAllString(text, "")
	setenv := false
	for m := tag().FindStringSubmatch(text); m != nil; m = tag().FindStringSubmatch(text) {
		setenv = setenv || m[1] == "SETENV"
		text = text[len(m[0]):]
	}
	text = digest().ReplaceAllString(text, "")
	if strings.HasPrefix(text, "!") {
		return // takes something away
	}
	words := strings.Fields(text)
	if len(words) == 0 {
		return
	}
	program, args := words[0], words[1:]
	if program == "ALL" {
		s.add(number, Warning, SudoersAny, helperLine, "every command is allowed: whatever the policy says, its client is root")
		return
	}
	name := path.Base(program)
	helper := name == "privhelper" || name == "privsep-helper" || strings.Contains(name, "rootwrap")
	if setenv && helper {
		s.add(number, Warning, SudoersEnvironment, "no SETENV", "SETENV lets the caller set the environment of %s", name)
	}
	if strings.HasSuffix(program, "/") || wildcard().MatchString(program) {
		s.add(number, Warning, SudoersAny, "the program's path in full", "%s allows programs that are not named", program)
		return
	}
	if why := chooses(name, args); helper && why != "" {
		s.add(number, Warning, SudoersConfig, helperLine, "the caller chooses the configuration of %s: %s", name, why)
		return
	}
	if p, ok := Dangerous(name); ok && !helper && (len(args) == 0 || wildcard().MatchString(" "+strings.Join(args, " "))) {
		s.add(number, Warning, DangerousProgram, "a rule of a policy, and in sudoers the helper alone", "%s %s, and its arguments are the caller's: %s", name, p.How, consequence(p.Power, "root"))
	}
}

const helperLine = "/usr/bin/privhelper daemon --config /etc/privhelper/privhelper.conf, with the arguments in full"

// chooses says why the arguments that sudo allows leave the configuration to the caller, or nothing. A wildcard matches
// blanks as well (sudoers(5)): one in the place of a value allows every option behind it.
func chooses(name string, args []string) string {
	if len(args) == 0 {
		return "no arguments are written, so that any are allowed"
	}
	if len(args) == 1 && args[0] == `""` {
		return ""
	}
	first := -1
	for i, a := range args {
		if wildcard().MatchString(a) || strings.HasPrefix(a, "^") {
			first = i
			break
		}
	}
	if first < 0 {
		return ""
	}
	fixed := args[:first]
	switch {
	case name == "privhelper" && len(fixed) > 0 && fixed[0] == "rootwrap":
		fixed = fixed[1:]
	case name == "privhelper":
		for _, a := range fixed {
			if a == "--" {
				return ""
			}
		}
		return fmt.Sprintf("%q may hold --config; the last one counts", args[first])
	case name == "privsep-helper":
		return fmt.Sprintf("%q may be a --config-file, which names the code that runs", args[first])
	}
	if len(fixed) == 0 || !strings.HasPrefix(fixed[0], "/") {
		return fmt.Sprintf("its first argument, the configuration, is %q", args[first])
	}
	return ""
}
