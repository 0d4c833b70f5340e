//go:build linux

package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
)

// TestTerminalInjection: a command of another user's cannot type into the terminal of root's shell, whichever of its
// streams are terminals. One of root's can, which shows that the test sees it.
//
// CVE-2005-4890 (su), CVE-2016-2568 (pkexec), CVE-2023-28339 (doas): TIOCSTI.
func TestTerminalInjection(t *testing.T) {
	config := policy(t, "root: CommandFilter, "+program("probe")+", root\n"+
		"nobody: RegExpFilter, "+program("probe")+", nobody, probe-as-nobody, .*\n")
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	all := [3]*os.File{}
	for name, test := range map[string]struct {
		command string
		streams [3]*os.File
		said    string
		typed   bool
	}{
		"root, all streams":      {program("probe"), all, "uid 0 session true\n0: typed\n1: typed\n2: typed\n", true},
		"nobody, all streams":    {"probe-as-nobody", all, "uid 65534 session true\n0: typed\n1: typed\n2: typed\n", false},
		"nobody, standard error": {"probe-as-nobody", [3]*os.File{null, null, nil}, "uid 65534 session true\n2: typed\n", false},
		"nobody, standard input": {"probe-as-nobody", [3]*os.File{nil, null, null}, "uid 65534 session true\n0: typed\n", false},
		"nobody, no stream":      {"probe-as-nobody", [3]*os.File{null, null, null}, "uid 65534 session true\n", false},
	} {
		for _, form := range [][]string{{"run", "--config", config}, {"rootwrap", config}} {
			t.Run(name+", "+form[0], func(t *testing.T) {
				p := newPTY(t)
				before := p.settings(nil)
				out := filepath.Join(writable(t), "said")
				if code := exitCode(t, p.start(test.streams, append(form, test.command, out)...)); code != 0 {
					t.Fatalf("exit code %d; %q", code, (&screen{p: p}).rest())
				}
				if p.settings(nil) != before {
					t.Error("the terminal was not given back as it was")
				}
				said, err := os.ReadFile(out)
				if err != nil {
					t.Fatal(err)
				}
				// Where the command has a terminal, /dev/tty is one of them; the descriptor's number is the probe's own.
				lines := strings.SplitAfter(string(said), "\n")
				if got := strings.Join(lines[:strings.Count(test.said, "\n")], ""); got != test.said {
					t.Errorf("the command says %q, want %q", said, test.said)
				}
				if test.streams == [3]*os.File{null, null, null} && string(said) != test.said {
					t.Errorf("the command found a terminal: %q", said)
				}
				if ahead := p.typedAhead(); (ahead != "") != test.typed {
					t.Errorf("what the next program would read: %q", ahead)
				}
			})
		}
	}
}

const nobodySh = "sh: RegExpFilter, sh, nobody, sh, -c, [\\s\\S]*\n"

// TestTerminalExact: what the command writes is shown to the last byte, although it ends at once, and its exit code is
// handed on.
func TestTerminalExact(t *testing.T) {
	config := policy(t, nobodySh)
	p := newPTY(t)
	p.settings(func(s *unix.Termios) { s.Oflag &^= unix.OPOST })
	cmd := p.start([3]*os.File{}, "run", "--config", config, "sh", "-c", "seq 30000; exit 7")
	shown := (&screen{p: p}).rest()
	var want strings.Builder
	for i := range 30000 {
		fmt.Fprintln(&want, i+1)
	}
	if shown != want.String() {
		t.Errorf("%d bytes were shown, want %d", len(shown), want.Len())
	}
	if code := exitCode(t, cmd); code != 7 {
		t.Errorf("exit code %d, want 7", code)
	}
}

// TestTerminalTyping: what is typed reaches the command, the pty has the terminal's size, and a key that is a signal ends
// the command and not us.
func TestTerminalTyping(t *testing.T) {
	config := policy(t, nobodySh)
	p := newPTY(t)
	if err := unix.IoctlSetWinsize(int(p.hand.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 33, Col: 99}); err != nil {
		t.Fatal(err)
	}
	cmd := p.start([3]*os.File{}, "run", "--config", config, "sh", "-c",
		`stty size; trap 'stty size; echo resized' WINCH; read line; echo "got $line"; exec sleep 1000`)
	s := &screen{p: p}
	s.wait("33 99\r\n")
	if _, err := p.hand.WriteString("some words\n"); err != nil {
		t.Fatal(err)
	}
	s.wait("got some words\r\n")
	if _, err := p.hand.WriteString("\x03"); err != nil {
		t.Fatal(err)
	}
	interruptedWith(t, p, cmd)
}

// interruptedWith wants cmd to end of SIGINT itself: for exit code 130 a shell's loop would go on.
func interruptedWith(t *testing.T, p *pty, cmd *exec.Cmd) {
	t.Helper()
	err := cmd.Wait()
	if s := signalOf(cmd.ProcessState); s != unix.SIGINT {
		t.Errorf("Ctrl-C: %v; shown %q", err, (&screen{p: p}).rest())
	}
}

// TestTerminalResize: a change of the terminal's size is told to the command.
func TestTerminalResize(t *testing.T) {
	config := policy(t, nobodySh)
	p := newPTY(t)
	cmd := p.start([3]*os.File{}, "run", "--config", config, "sh", "-c",
		`trap 'stty size; exit 3' WINCH; echo ready; while :; do read line; done`)
	s := &screen{p: p}
	s.wait("ready")
	if err := unix.IoctlSetWinsize(int(p.hand.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 44, Col: 88}); err != nil {
		t.Fatal(err)
	}
	s.wait("44 88")
	if code := exitCode(t, cmd); code != 3 {
		t.Errorf("exit code %d", code)
	}
}

// TestTerminalSignals: what is sent to us reaches the command, with and without a pty.
func TestTerminalSignals(t *testing.T) {
	config := policy(t, "catch: CommandFilter, "+program("catch")+", nobody\n")
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for name, stdin := range map[string]*os.File{"pty": nil, "session": null} {
		for _, sig := range []syscall.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM} {
			t.Run(name+" "+unix.SignalName(sig), func(t *testing.T) {
				p := newPTY(t)
				r, w, err := os.Pipe()
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				streams := [3]*os.File{stdin, w, stdin}
				cmd := p.start(streams, "run", "--config", config, program("catch"), unix.SignalName(sig))
				w.Close()
				line := make([]byte, len("ready\n"))
				if _, err := r.Read(line); err != nil || string(line) != "ready\n" {
					t.Fatalf("%q, %v", line, err)
				}
				if err := cmd.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
				if code := exitCode(t, cmd); code != 9 {
					t.Errorf("exit code %d, want 9", code)
				}
			})
		}
	}
}

// TestTerminalStop: SIGTSTP stops command and parent, with the terminal as the shell had it; SIGCONT goes on.
func TestTerminalStop(t *testing.T) {
	t.Run("signal", func(t *testing.T) {
		stops(t, newPTY(t), func(_ *pty, cmd *exec.Cmd) error { return cmd.Process.Signal(unix.SIGTSTP) })
	})
	t.Run("key", func(t *testing.T) {
		stops(t, newPTY(t), func(p *pty, _ *exec.Cmd) error { _, err := p.hand.WriteString("\x1a"); return err })
	})
}

func stops(t *testing.T, p *pty, stop func(*pty, *exec.Cmd) error) {
	config := policy(t, nobodySh)
	before := p.settings(nil)
	cmd := p.start([3]*os.File{}, "run", "--config", config, "sh", "-c", `echo "pid $$."; read line; echo "got $line"; exit 5`)
	s := &screen{p: p}
	s.wait(".\r\n")
	pid, err := strconv.Atoi(s.shown[strings.Index(s.shown, "pid ")+4 : strings.Index(s.shown, ".")])
	if err != nil {
		t.Fatal(err)
	}
	if err := stop(p, cmd); err != nil {
		t.Fatal(err)
	}
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PID, cmd.Process.Pid, &info, unix.WSTOPPED, nil); err != nil {
		t.Fatal(err)
	}
	if p.settings(nil) != before {
		t.Error("stopped, and the terminal is not as it was")
	}
	// The signal is on its way to the command, which may be running on another processor; nobody but its parent is told.
	for end := time.Now().Add(10 * time.Second); stateOf(t, pid) != "T"; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the command is in state %s", stateOf(t, pid))
		}
	}
	if err := cmd.Process.Signal(unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if _, err := p.hand.WriteString("more\n"); err != nil {
		t.Fatal(err)
	}
	s.wait("got more")
	if code := exitCode(t, cmd); code != 5 {
		t.Errorf("exit code %d", code)
	}
	if p.settings(nil) != before {
		t.Error("the terminal was not given back as it was")
	}
}

func stateOf(t *testing.T, pid int) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))[0]
}

// TestTerminalBackground: in the background of a shell's job control we show what the command writes, and neither change
// the terminal nor take what is typed, each of which would stop us.
func TestTerminalBackground(t *testing.T) {
	config := policy(t, nobodySh)
	p := newPTY(t)
	before := p.settings(nil)
	if _, err := p.hand.WriteString("for the shell\n"); err != nil {
		t.Fatal(err)
	}
	cmd := p.startProgram(0, [3]*os.File{}, "sh", "-c", `set -m; "$@" & wait $!; exit $?`, "sh",
		binary(), "run", "--config", config, "sh", "-c", "echo shown; exit 6")
	s := &screen{p: p}
	s.wait("shown\r\n")
	if code := exitCode(t, cmd); code != 6 {
		t.Errorf("exit code %d", code)
	}
	if p.settings(nil) != before {
		t.Error("the terminal is not as it was")
	}
	if ahead := p.typedAhead(); ahead != "for the shell\n" {
		t.Errorf("of what was typed the shell would read %q", ahead)
	}
}

// TestTerminalLeftBehind: a process that the command leaves behind on the pty keeps nobody waiting.
func TestTerminalLeftBehind(t *testing.T) {
	config := policy(t, nobodySh)
	p := newPTY(t)
	cmd := p.start([3]*os.File{}, "run", "--config", config, "sh", "-c", `trap "" HUP; sleep 1000 & echo "pid $!."; exit 4`)
	if code := exitCode(t, cmd); code != 4 {
		t.Errorf("exit code %d", code)
	}
	s := &screen{p: p}
	s.wait(".\r\n")
	pid, err := strconv.Atoi(s.shown[strings.Index(s.shown, "pid ")+4 : strings.Index(s.shown, ".")])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, unix.SIGKILL); err != nil {
		t.Errorf("it is not there: %v", err)
	}
}

// TestTerminalParentKilled: a command does not outlive a parent that was killed, unless its rule lets it.
func TestTerminalParentKilled(t *testing.T) {
	config := policy(t, nobodySh)
	p := newPTY(t)
	cmd := p.start([3]*os.File{}, "run", "--config", config, "sh", "-c", `trap "" HUP; echo "pid $$."; read line; while :; do sleep 1000; done`)
	s := &screen{p: p}
	s.wait(".\r\n")
	pid, err := strconv.Atoi(s.shown[strings.Index(s.shown, "pid ")+4 : strings.Index(s.shown, ".")])
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 10_000); n != 1 {
		t.Errorf("the command lives on: %v", err)
	}
}

// TestTerminalOfOwnUser: a command that runs as the caller has the caller's terminal, and no parent of ours.
func TestTerminalOfOwnUser(t *testing.T) {
	config := policy(t, nobodySh)
	p := newPTY(t)
	if err := p.terminal.Chown(testenv.Nobody, -1); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := p.startAs(testenv.Nobody, [3]*os.File{nil, w, nil}, "run", "--config", config, "sh", "-c", "echo $$; tty")
	w.Close()
	code := exitCode(t, cmd)
	text := make([]byte, 100)
	n, _ := r.Read(text)
	name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", p.terminal.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%d\n%s\n", cmd.Process.Pid, name); code != 0 || string(text[:n]) != want {
		t.Errorf("exit code %d, %q, want %q", code, text[:n], want)
	}
}
