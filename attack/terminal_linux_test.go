package attack

import (
	"os/exec"
	"strings"
)

// sti is a command that types into every terminal that it finds (TIOCSTI).
const sti = `#!/usr/bin/perl
open(my $tty, "+<", "/dev/tty");
for my $f (*STDIN, *STDOUT, *STDERR, $tty) { for (split //, "typed\n") { my $c = $_; ioctl($f, 0x5412, $c) } }
`

// typed says what the shell that called would read, after a command line that ran in its terminal.
func typed(w *world, words []string) string {
	w.t.Helper()
	script := `stty -echo; "$@" >&2; stty -icanon min 0 time 0; echo "[$(dd bs=100 count=1 2>/dev/null)]"`
	shell := append([]string{"sh", "-c", script, "sh"}, words...)
	for i := range shell {
		shell[i] = "'" + strings.ReplaceAll(shell[i], "'", `'\''`) + "'"
	}
	cmd := exec.Command("script", "-qec", strings.Join(shell, " "), "/dev/null")
	in, err := cmd.StdinPipe() // an end of its input script(1) would type too, as ^D
	if err != nil {
		w.t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("script: %v, %s", err, out)
	}
	return string(out)
}

var terminalAttacks = []attack{
	{"tiocsti-run", "a command of nobody's types into the terminal of root's shell (CVE-2023-28339)", 4, nil, func(w *world) {
		w.policy("", "root: CommandFilter, sti, root\nnobody: RegExpFilter, @W@/bin/sti, nobody, sti-nobody\n")
		w.file("@W@/bin/sti", sti)
		mode("@W@/bin/sti", 0o755)(w)
		run := []string{bin("privhelper"), "run", "--config", w.config, "--"}
		if got := typed(w, append(run, "sti")); !strings.Contains(got, "[typed") {
			w.t.Fatalf("a command of root's must be able to, or this test sees nothing: %q", got)
		}
		if got := typed(w, append(run, "sti-nobody")); strings.Contains(got, "[typed") || !strings.Contains(got, "[]") {
			w.t.Errorf("the shell would read %q", got)
		}
		if n := w.decisions(); n != 2 {
			w.t.Errorf("%d lines in the log", n)
		}
	}},
	{"tiocsti-new-session", "the same after setsid, with the terminal as its streams", 4, nil, func(w *world) {
		w.policy("", "nobody: RegExpFilter, setsid, nobody, setsid, -c, .*\n")
		w.file("@W@/bin/sti", sti)
		mode("@W@/bin/sti", 0o755)(w)
		if got := typed(w, []string{bin("privhelper"), "run", "--config", w.config, "--", "setsid", "-c", w.text("@W@/bin/sti")}); !strings.Contains(got, "[]") {
			w.t.Errorf("the shell would read %q", got)
		}
	}},
	{"tiocsti-service", "a command of root's, by a service, and the client's terminal", 4, nil, func(w *world) {
		w.policy("clients=nobody\n", "root: CommandFilter, sti, root\n")
		w.file("@W@/bin/sti", sti)
		mode("@W@/bin/sti", 0o755)(w)
		s := w.serve()
		if got := typed(w, []string{bin("privhelper"), "run", "--socket", s.path, "--", "sti"}); !strings.Contains(got, "[]") {
			w.t.Errorf("the shell would read %q", got)
		}
		if n := w.decisions(); n != 1 {
			w.t.Errorf("%d lines in the log", n)
		}
	}},
}
