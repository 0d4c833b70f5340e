//go:build linux

package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

// TestMain makes the test binary the demo's helper too, as main does with the program.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == helperFlag {
		main()
		return
	}
	testenv.Main(m, testenv.Children{"demo": func([]string) error { return demo("") }})
}

// TestDemo: every step says what it is there to show, as root and as a user who has none.
func TestDemo(t *testing.T) {
	steps := map[string]string{
		"helper":    "capabilities CAP_",
		"service":   "capabilities none",
		"open file": `"for root's eyes only"`,
		"low port":  "served by an unprivileged process",
		"command":   "uid=0(root)",
		"runners":   "here and 0 by the helper; a failure shows no secret: run /bin/sh",
		"refusal":   "no rule of the policy allows this command",
		"traversal": `"/proc/version\n", does not match`,
		"cancel":    "2 processes of the cancelled command are gone",
		"restart":   "the next call started pid",
	}
	for _, who := range []struct {
		name string
		set  func(testing.TB, *exec.Cmd)
		more map[string]string
	}{
		{"root", func(t testing.TB, _ *exec.Cmd) { testenv.NeedRoot(t) },
			map[string]string{"started": "directly, by root", "open file": "we may not open it", "service": "uid 65534"}},
		{"user", func(t testing.TB, cmd *exec.Cmd) {
			testenv.InUserNamespace(t, exec.Command("/bin/true")) // or the test ends here
			testenv.AsUser(t, cmd)
		}, map[string]string{"started": "as root of a user namespace", "command": "0000000000001000"}},
	} {
		t.Run(who.name, func(t *testing.T) {
			cmd := testenv.Child(t, "demo")
			who.set(t, cmd)
			said := map[string]string{}
			out := string(testenv.Output(t, cmd))
			for line := range strings.Lines(out) {
				if len(line) > 10 {
					said[strings.TrimSpace(line[:10])] = line[10:]
				}
			}
			for _, want := range []map[string]string{steps, who.more} {
				for step, text := range want {
					if !strings.Contains(said[step], text) {
						t.Errorf("step %s: no %q in %q", step, text, said[step])
					}
				}
			}
		})
	}
}
