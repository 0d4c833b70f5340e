//go:build linux

package main_test

import (
	"os"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

// In a pipeline the terminal is shared: what is typed goes to whoever reads it.
func TestServicePipeline(t *testing.T) {
	socket := startService(t, shRules, "", false)
	pager := `stty -icanon -echo </dev/tty; echo pages >/dev/tty; for i in 1 2 3 4; do echo "key $(dd bs=1 count=1 </dev/tty 2>/dev/null)." >/dev/tty; done; stty icanon echo </dev/tty`
	for _, test := range []struct {
		name, pipeline string
		command        string
		dialogue       []string // what is shown, and what is typed then, in turn
		hidden         string   // what must not be shown
	}{
		{
			name:     "a pager behind the command gets every key",
			pipeline: `"$@" | sh -c '` + pager + `'`,
			command:  "while echo something; do :; done",
			dialogue: []string{"pages", "a", "key a.", "b", "key b.", "c", "key c.", "d", "key d.", ""},
		},
		{
			name:     "a pager before the command too",
			pipeline: `sh -c '` + pager + `' | "$@"`,
			command:  "cat; echo end",
			dialogue: []string{"pages", "a", "key a.", "b", "key b.", "c", "key c.", "d", "key d.", "", "end", ""},
		},
		{
			name:     "a command that is a pager gets them",
			pipeline: `echo text | "$@"`,
			command:  "read x; " + pager,
			dialogue: []string{"pages", "a", "key a.", "b", "key b.", "c", "key c.", "d", "key d.", ""},
		},
		{
			name:     "standard input is the terminal's lines, to their end",
			pipeline: `"$@" | sed -u 's/.*/<&>/'`,
			command:  "echo reads >/dev/tty; cat; echo end",
			dialogue: []string{"reads", "one\n", "one\r\n<one>\r\n", "two\n", "two\r\n<two>\r\n", "\x04", "<end>", ""},
		},
		{
			name:     "what is typed for a prompt without echo is not shown",
			pipeline: `"$@" | cat`,
			command:  "stty -echo; echo asks >/dev/tty; read x; stty echo; test $x = secret && echo knows",
			dialogue: []string{"asks", "secret\n", "knows", ""},
			hidden:   "secret",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPTY(t)
			before := p.settings(nil)
			cmd := p.startProgram(testenv.Nobody, [3]*os.File{}, "sh", "-c", test.pipeline, "sh", binary(), "run", "--socket", socket, "--", "sh", "-c", test.command)
			s := &screen{p: p}
			for i := 0; i < len(test.dialogue); i += 2 {
				s.wait(test.dialogue[i])
				typed(t, p, test.dialogue[i+1])
			}
			if code := exitCode(t, cmd); code != 0 {
				t.Errorf("exit code %d", code)
			}
			if test.hidden != "" && strings.Contains(s.shown, test.hidden) {
				t.Errorf("shown: %q", s.shown)
			}
			if p.settings(nil) != before {
				t.Error("the terminal is not as it was")
			}
		})
	}
}
