//go:build linux

package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
)

// TestStreamsClosed: a standard stream that the caller has closed is /dev/null for the command. Were it left closed, the
// next file that the command opens, or the policy that we read, would be there (CVE-2002-0572 in the BSDs).
func TestStreamsClosed(t *testing.T) {
	for name, rules := range map[string]string{
		"root":   "report: CommandFilter, " + program("report") + ", root\n",
		"nobody": "report: CommandFilter, " + program("report") + ", nobody\n",
	} {
		config := policy(t, rules)
		for closed := range 8 {
			for _, form := range [][]string{{"run", "--config", config}, {"rootwrap", config}} {
				t.Run(fmt.Sprintf("%s, %s, closed %03b", name, form[0], closed), func(t *testing.T) {
					out := filepath.Join(writable(t), "said")
					var redirections, want strings.Builder
					for fd := range 3 {
						if closed&(1<<fd) != 0 {
							fmt.Fprintf(&redirections, " %d>&-", fd)
							fmt.Fprintf(&want, "%d /dev/null\n", fd)
						} else {
							fmt.Fprintf(&redirections, " %d>%s.%d", fd, out, fd)
							fmt.Fprintf(&want, "%d %s.%d\n", fd, out, fd)
						}
					}
					script := `exec 7</etc/passwd 9>&1; exec "$@"` + redirections.String()
					cmd := exec.Command("sh", append(append([]string{"-c", script, "sh", binary()}, form...), program("report"), out)...)
					testenv.Output(t, cmd)
					said, err := os.ReadFile(out)
					if err != nil {
						t.Fatal(err)
					}
					if string(said) != want.String() {
						t.Errorf("the command has open:\n%swant\n%s", said, want.String())
					}
				})
			}
		}
	}
}

// report is a command that writes into the file of its argument what it had open when it began.
func report(args []string) error {
	var said strings.Builder
	for fd := range 64 {
		// What is close-on-exec is this program's own: nothing that was is open after an exec.
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags != 0 {
			continue
		}
		path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err != nil {
			return err
		}
		fmt.Fprintf(&said, "%d %s\n", fd, path)
	}
	return os.WriteFile(args[0], []byte(said.String()), 0o600)
}

// TestExitCodes: every exit code of the command comes out.
func TestExitCodes(t *testing.T) {
	config := policy(t, "sh: CommandFilter, sh, root\n")
	for _, form := range [][]string{{"run", "--config", config}, {"rootwrap", config}} {
		for want := range 256 {
			cmd := exec.Command(binary(), append(form, "sh", "-c", fmt.Sprintf("exit %d", want))...)
			if err := cmd.Run(); cmd.ProcessState.ExitCode() != want {
				t.Errorf("%s: exit code %d: %v", form[0], want, err)
			}
		}
	}
}

// TestExitSignals: a caller sees the signal that ended the command.
func TestExitSignals(t *testing.T) {
	config := policy(t, "sh: CommandFilter, sh, root\n")
	for _, form := range [][]string{{"run", "--config", config}, {"rootwrap", config}} {
		for _, want := range []int{1, 2, 3, 6, 9, 10, 13, 14, 15} {
			cmd := exec.Command(binary(), append(form, "sh", "-c", fmt.Sprintf("ulimit -c 0; kill -%d $$", want))...)
			if err := cmd.Run(); cmd.ProcessState == nil || int(signalOf(cmd.ProcessState)) != want {
				t.Errorf("%s: signal %d: %v", form[0], want, err)
			}
		}
	}
}

// TestDispositions: the command starts with every signal at its default and none blocked, whatever its caller ignored or
// blocked.
func TestDispositions(t *testing.T) {
	config := policy(t, "cat: CommandFilter, cat, root\nnobody: RegExpFilter, cat, nobody, cat-as-nobody, .*\n")
	python := testenv.NeedProgram(t, "python3", "python3")
	ignore := `
import os, signal, sys
for n in signal.valid_signals():
    try: signal.signal(n, signal.SIG_IGN)
    except OSError: pass
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
os.execv(sys.argv[1], sys.argv[1:])
`
	none := strings.Repeat("0", 16)
	for _, form := range [][]string{{"run", "--config", config}, {"rootwrap", config}} {
		for _, name := range []string{"cat", "cat-as-nobody"} {
			cmd := exec.Command(python, append(append([]string{"-c", ignore, binary()}, form...), name, "/proc/self/status")...)
			out := string(testenv.Output(t, cmd))
			for _, want := range []string{"SigBlk", "SigIgn", "SigCgt"} {
				if !strings.Contains(out, want+":\t"+none+"\n") {
					t.Errorf("%s %s: %s is not empty in\n%s", form[0], name, want, out)
				}
			}
		}
	}
}
