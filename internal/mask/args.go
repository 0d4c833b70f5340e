package mask

import "strings"

// Args masks a command line, argument by argument, and returns a new list. It takes a time in proportion to their number
// and length.
func (m Masker) Args(argv []string) []string {
	out := make([]string, len(argv))
	secret := make([]bool, len(argv)) // an argument that is secret from its first byte to its last
	setting := false                  // iscsiadm -n node.session.auth.password: its -v VALUE may stand before it or behind
	for i, arg := range argv {
		if i+1 < len(argv) && takesSecret(argv, i) {
			secret[i+1] = true
		}
		if i == 0 || strings.HasPrefix(arg, "-") || !secretName(lastName(arg)) {
			continue
		}
		setting = setting || argv[i-1] == "-n" || argv[i-1] == "--name"
		if i+2 < len(argv) && strings.HasPrefix(argv[i+1], "-") && !strings.Contains(argv[i+1], "=") {
			secret[i+2] = true
		}
	}
	line := programsIn(argv)
	for i, arg := range argv {
		from, known := line.arg(i)
		value, assigned := strings.CutPrefix(arg, "--value=")
		switch {
		case secret[i], line.secret(i), setting && i > 0 && (argv[i-1] == "-v" || argv[i-1] == "--value"):
			out[i] = Masked
		case setting && assigned && value != "":
			out[i] = "--value=" + Masked
		case known:
			out[i] = m.values(arg[:from]) + Masked
		default:
			out[i] = m.arg(arg)
		}
	}
	return out
}

// Env masks an environment, NAME=value each, and returns a new list.
func (m Masker) Env(env []string) []string {
	out := make([]string, len(env))
	for i, v := range env {
		out[i] = m.arg(v)
	}
	return out
}

// arg masks within one argument. Where a secret's name stands before a = at its beginning, all after it is the value.
func (m Masker) arg(s string) string {
	s = m.values(s)
	if name, _, found := strings.Cut(s, "="); found && secretName(name) && plainName(name) && len(s) > len(name)+1 {
		return name + "=" + Masked
	}
	structured := strings.ContainsAny(s, "{<\n\"'") // JSON, XML, a script: a bare value ends somewhere
	return named(urls(programsInText(keyBlocks(s))), !structured)
}

// takesSecret reports whether the next argument is the value of this one: --password X, -password X.
func takesSecret(argv []string, i int) bool {
	arg := argv[i]
	return i > 0 && len(arg) > 2 && arg[0] == '-' && plainName(arg) && secretName(arg)
}

// lastName is the name at the end of an argument such as path/to:node.session.auth.password.
func lastName(arg string) string {
	i := len(arg)
	for i > 0 && nameByte(arg[i-1]) {
		i--
	}
	return arg[i:]
}

func plainName(s string) bool {
	for i := range len(s) {
		if !nameByte(s[i]) {
			return false
		}
	}
	return true
}
