//go:build linux

package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

// TestCompletions: each shell's completion knows every subcommand that the usage names, and completes by it.
func TestCompletions(t *testing.T) {
	usage := testenv.Output(t, exec.Command(binary(), "help"))
	var commands []string
	for _, m := range regexp.MustCompile(`(?m)^  privhelper ([a-z-]+)`).FindAllStringSubmatch(string(usage), -1) {
		if !slices.Contains(commands, m[1]) {
			commands = append(commands, m[1])
		}
	}
	if len(commands) < 10 {
		t.Fatalf("the usage names %q", commands)
	}
	folder := filepath.Join("..", "..", "etc", "completions")
	for _, name := range []string{"_privhelper", "privhelper.fish"} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range commands {
			if !regexp.MustCompile(`[ '"\n]` + c + `[ :\n]`).Match(text) {
				t.Errorf("%s does not know %s", name, c)
			}
		}
	}
	bash := testenv.NeedProgram(t, "bash", "bash")
	complete := func(words ...string) []string {
		script := `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _privhelper; printf '%s\n' "${COMPREPLY[@]}"`
		out := testenv.Output(t, exec.Command(bash, append([]string{"-c", script, "bash", filepath.Join(folder, "privhelper.bash")}, words...)...))
		return strings.Fields(string(out))
	}
	got := complete("privhelper", "")
	for _, c := range commands {
		if !slices.Contains(got, c) {
			t.Errorf("bash does not know %s", c)
		}
	}
	for _, c := range []struct {
		words []string
		want  string
	}{
		{[]string{"privhelper", "run", "--s"}, "--socket"},
		{[]string{"privhelper", "explain", "--semantics", "o"}, "oslo"},
		{[]string{"privhelper", "serve", "--"}, "--config --listen"},
	} {
		if got := strings.Join(complete(c.words...), " "); got != c.want {
			t.Errorf("%q: %q, want %q", c.words, got, c.want)
		}
	}
}

// completed are command lines whose last word each shell can complete in one way, and what becomes of it.
var completed = []struct{ line, word string }{
	{"privhelper chec", "check"},
	{"privhelper run --fence", "--fence-token"},
	{"privhelper check --fail-on warn", "warning"},
	{"privhelper run -- setpri", "setpriv"},
	{"privhelper run --socket /run/x -- setpri", "setpriv"},
	{"privhelper explain --json -- setpri", "setpriv"},
	{"privhelper lock --timeout 5 name -- setpri", "setpriv"},
}

func TestCompletionOfFish(t *testing.T) {
	fish := testenv.NeedProgram(t, "fish", "fish")
	for _, c := range completed {
		cmd := exec.Command(fish, "--no-config", "-c", "source ../../etc/completions/privhelper.fish; complete -C $argv[1]", c.line)
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
		out := testenv.Output(t, cmd)
		if word, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\t"); word != c.word {
			t.Errorf("%s: %q", c.line, out)
		}
	}
}

// zsh completes at a terminal alone.
func TestCompletionOfZsh(t *testing.T) {
	testenv.NeedRoot(t)
	zsh := testenv.NeedProgram(t, "zsh", "zsh")
	folder, err := filepath.Abs("../../etc/completions")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range completed {
		p := newPTY(t)
		cmd := p.startProgram(0, [3]*os.File{}, "env", "-i", "TERM=dumb", "PATH=/usr/bin:/bin", zsh, "-f", "-i")
		s := &screen{p: p}
		typed(t, p, "fpath=("+folder+" $fpath); autoload -Uz compinit; compinit -u -D; print rea''dy\n")
		s.wait("ready\r\n")
		s.shown = ""
		// What zsh has made of the line is printed by zsh, at ^C and from the line that it kept.
		typed(t, p, `bindkey -s '^X' '^A: ^E\n'; print again''`+"\n")
		s.wait("again\r\n")
		typed(t, p, c.line+"\t\x18print -r -- \"<$_>\"\n")
		s.wait("<" + c.word + ">")
		typed(t, p, "exit\n")
		_ = cmd.Wait()
	}
}
