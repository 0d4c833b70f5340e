package attack

import (
	"strings"

	"github.com/privhelper/privhelper/internal/testenv"
)

// onOthers are the attacks on peers that are no ask: each is made in the peer's own words, and says whether that holds.
var onOthers = map[string]func(w *world, p peer) string{
	"terminal/tiocsti-run":     typesInto,
	"lifetime/new-session":     lives(daemonized),
	"lifetime/main-ended":      lives(strings.TrimSuffix(daemonized, "sleep 1000") + "exit 1"),
	"arguments/every-byte":     logsOne(everyByte()),
	"arguments/log-line":       logsOne("x\n{\"time\":\"2026-01-01T00:00:00Z\",\"decision\":\"match\"}\n", "\x1b]0;x\x07\r\x1b[2K"),
	"arguments/broken-utf8":    logsOne("\xff\xfe\xed\xa0\x80\xc0\xaf", "\xf4\x90\x80\x80"),
	"arguments/one-of-100-kib": logsOne(strings.Repeat("\x1b", 100<<10)),
	"arguments/secrets":        logsOne("--password=hunter2", "--os-password", "hunter3", "mysql://u:hunter4@h/"),
	"errors/program":           toldApart,

	"configuration/config-for-others":     configured(false, func(path string) func(*world) { return mode(path, 0o646) }),
	"configuration/config-for-group":      configured(false, func(path string) func(*world) { return func(w *world) { owner(path, 0, 4)(w); mode(path, 0o664)(w) } }),
	"configuration/config-of-nobody":      configured(false, func(path string) func(*world) { return owner(path, testenv.Nobody, 0) }),
	"configuration/config-fifo":           configured(true, func(path string) func(*world) { return instead(path, fifo) }),
	"configuration/config-device":         configured(true, func(path string) func(*world) { return instead(path, zero) }),
	"configuration/config-empty":          configured(false, func(path string) func(*world) { return text(path, "") }),
	"configuration/config-option-unknown": misconfigured("semantic=strict\n", "Defaults semantic=strict\n", "permit nopass semantic daemon\n"),
	"configuration/policy-user-unknown": misconfigured("x: CommandFilter, tool, no-such-user\n", "daemon ALL=(no-such-user) NOPASSWD: @W@/bin/tool\n",
		"permit nopass daemon as no-such-user\n"),
	"configuration/policy-user-minus-one": misconfigured("x: CommandFilter, tool, -1\n", "daemon ALL=(#-1) NOPASSWD: @W@/bin/tool\n", "permit nopass daemon as -1\n"),
	"configuration/policy-short-line":     misconfigured("x: CommandFilter\n", "daemon ALL=\n", "permit nopass daemon as\n"),
	"configuration/policy-class-unknown":  misconfigured("x: CommandFiltre, tool, root\n", "", "permitt nopass daemon\n"),
}

// oslos reports whether a peer is one of the two that read our policies.
func oslos(p peer) bool { return strings.HasPrefix(p.program, "oslo") }

// typesInto is tiocsti-run of a command of nobody's. A daemon has no terminal to give.
func typesInto(w *world, p peer) string {
	w.file("@W@/bin/sti", sti)
	mode("@W@/bin/sti", 0o755)(w)
	a := &ask{rules: "nobody: CommandFilter, sti, nobody\n", oslo: p.program != "oslo-rootwrap-daemon", sudo: "@W@/bin/sti", doas: "@W@/bin/sti", as: "nobody"}
	if !p.write(w, a) {
		return "—"
	}
	words := append(osloCaller(w, ""), "oslo-rootwrap", w.config, "sti")
	if !oslos(p) {
		words = append(setuid(w, p.program, a.as, ""), w.text("@W@/bin/sti"))
	}
	switch got := typed(w, words); {
	case strings.Contains(got, "[typed"):
		return "does not"
	case !strings.Contains(got, "[]"):
		w.t.Fatalf("%s: the shell would read %q", p.name, got)
	}
	return "holds"
}

// lives is an attack of the area lifetime: the client is killed, and after the second that we promise there is still what its
// command had started. The daemon's client is another process than what its command is a child of, and is not asked.
func lives(script string) func(w *world, p peer) string {
	return func(w *world, p peer) string {
		a := &ask{rules: "bash: CommandFilter, /usr/bin/bash, root\n", oslo: p.program != "oslo-rootwrap-daemon", sudo: "/usr/bin/bash", doas: "/usr/bin/bash"}
		if !p.write(w, a) {
			return "—"
		}
		words := append(osloCaller(w, ""), "oslo-rootwrap", w.config)
		if !oslos(p) {
			words = setuid(w, p.program, "root", "")
		}
		watch := `mkfifo "$1"; told=$1; shift; sh -c '"$@"; sleep 1000' sh "$@" >"$told" & read pid <"$told"; kill -9 $!; sleep 1; kill -0 $pid 2>/dev/null && echo lives; exit 0`
		words = append(append(append(ended, "sh", "-c", watch, "sh", w.text("@W@/told")), words...), "/usr/bin/bash", "-c", script)
		r, _ := take(w, words)
		switch {
		case r.out == "lives\n":
			return "does not"
		case r.out != "" || r.code != 0:
			w.t.Fatalf("%s: %v", p.name, r)
		}
		return "holds"
	}
}

// logsOne has sudo log one command to a file, each record on one line: there must be one, of printable characters, without a
// secret. doas has the system's log alone, and oslo.rootwrap none by default.
func logsOne(args ...string) func(w *world, p peer) string {
	return func(w *world, p peer) string {
		if p.program != "sudo" {
			return "—"
		}
		p.write(w, &ask{sudo: "/usr/bin/printf\nDefaults logfile=@W@/sudo.log, loglinelen=0"})
		if r := p.take(w, "", "", append([]string{"printf", "%s\\n"}, args...)); !r.ran {
			w.t.Fatalf("%s: %v", p.name, r)
		}
		log := w.read(w.text("@W@/sudo.log"))
		if strings.Count(log, "\n") != 1 || strings.ContainsFunc(strings.TrimSuffix(log, "\n"), func(r rune) bool { return r < ' ' || r > '~' }) || strings.Contains(log, "hunter") {
			return "does not"
		}
		return "holds"
	}
}

// toldApart asks for a program that is there and for one that is not, in a folder that only root may enter.
func toldApart(w *world, p peer) string {
	if !p.write(w, &ask{rules: "none: CommandFilter, /usr/bin/no-such-program, root\n", oslo: true, sudo: "/usr/bin/no-such-program", doas: "/usr/bin/no-such-program"}) {
		return "—"
	}
	dir(nil, w.text("@W@/hidden"))
	mode("@W@/hidden", 0o700)(w)
	w.program("@W@/hidden/there")
	var said [2]string
	for i, name := range []string{"there", "missing"} {
		r := p.take(w, "", "", []string{w.text("@W@/hidden/" + name)})
		if r.ran || r.errors == "" {
			w.t.Fatalf("%s: %v", p.name, r)
		}
		said[i] = strings.ReplaceAll(r.errors, name, "X")
	}
	if said[0] != said[1] {
		return "does not"
	}
	return "holds"
}

// configured is an attack of the area configuration, made on the file that a peer reads. Nothing of it may run then. Of files
// that are endless to read only sudo is asked.
func configured(endless bool, change func(path string) func(*world)) func(w *world, p peer) string {
	return func(w *world, p peer) string {
		path := "@W@/" + p.program + ".conf"
		switch {
		case endless && p.program != "sudo":
			return "—" // oslo.rootwrap and doas wait for a FIFO for ever, and read a device until memory ends
		case oslos(p):
			path = theConfig
		}
		return configurable(change(path)).of(w, p)
	}
}

// misconfigured adds a line to it in which something is wrong; "" where there is no such line.
func misconfigured(oslo, sudo, doas string) func(w *world, p peer) string {
	return func(w *world, p peer) string {
		path, line := map[string]string{"sudo": "@W@/sudo.conf", "doas": "@W@/doas.conf"}[p.program], map[string]string{"sudo": sudo, "doas": doas}[p.program]
		if oslos(p) {
			if path, line = thePolicy, oslo; strings.HasPrefix(oslo, "semantic") {
				path = theConfig
			}
		}
		if line == "" {
			return "—"
		}
		return configurable(func(w *world) { w.file(path, w.read(w.text(path))+line) }).of(w, p)
	}
}

func configurable(change func(*world)) *ask {
	return &ask{rules: "tool: CommandFilter, tool, root\n", oslo: true, sudo: "@W@/bin/tool", doas: "@W@/bin/tool",
		files: tools("@W@/bin/tool"), harmless: []string{"tool"}, change: change}
}
