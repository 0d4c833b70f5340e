//go:build linux

package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
)

// startService starts `privhelper serve` for nobody, and returns its socket. By the environment of a child, as systemd would
// hand the socket in, where inherited.
func startService(t testing.TB, rules, options string, inherited bool) string {
	t.Helper()
	config := policy(t, rules)
	file, err := os.OpenFile(config, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = file.WriteString("clients=nobody\n" + options)
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(config)
	socket := filepath.Join(dir, "socket")
	notify := notifySocket(t, filepath.Join(dir, "notify"))
	cmd := exec.Command(binary(), "serve", "--config", config, "--listen", socket)
	if inherited {
		// The shell's pid is the service's: exec keeps it.
		cmd = exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"`, "sh", binary(), "serve", "--config", config)
		cmd.ExtraFiles = []*os.File{listening(t, socket)}
	}
	var said bytes.Buffer
	cmd.Stderr, cmd.Env = &said, append(os.Environ(), "NOTIFY_SOCKET="+filepath.Join(dir, "notify"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the service ended with %v: %s", err, said.Bytes())
		}
	})
	_ = notify.SetReadDeadline(time.Now().Add(30 * time.Second))
	text := make([]byte, 100)
	if n, err := notify.Read(text); err != nil || string(text[:n]) != "READY=1" {
		t.Fatalf("it told systemd %q, %v; it said %s", text[:n], err, said.Bytes())
	}
	return socket
}

func unixSocket(t testing.TB, kind int, path string) *os.File {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	}
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), path)
	t.Cleanup(func() { f.Close() })
	return f
}

func notifySocket(t testing.TB, path string) *os.File { return unixSocket(t, unix.SOCK_DGRAM, path) }

func listening(t testing.TB, path string) *os.File {
	t.Helper()
	f := unixSocket(t, unix.SOCK_STREAM, path)
	if err := errors.Join(unix.Listen(int(f.Fd()), 16), os.Chmod(path, 0o666)); err != nil {
		t.Fatal(err)
	}
	return f
}

// unprivileged runs the binary as nobody under no_new_privs, where sudo gives nothing.
func unprivileged(uid int, args ...string) *exec.Cmd {
	prefix := []string{fmt.Sprint("--reuid=", uid), fmt.Sprint("--regid=", uid), "--clear-groups", "--no-new-privs", binary()}
	return exec.Command("/usr/bin/setpriv", append(prefix, args...)...)
}

const shRules = "sh: CommandFilter, sh, root\nid: CommandFilter, id, root\ncat: CommandFilter, cat, root\nmissing: CommandFilter, no-such-program, root\n"

func TestRunByService(t *testing.T) {
	for name, inherited := range map[string]bool{"own socket": false, "systemd's": true} {
		t.Run(name, func(t *testing.T) {
			socket := startService(t, shRules, "service_ready = 2\n", inherited)
			for _, c := range []struct {
				uid            int
				argv           []string
				stdin          string
				code           int
				stdout, stderr string
			}{
				{uid: 65534, argv: []string{"id", "-u"}, stdout: "0\n"},
				{uid: 65534, argv: []string{"cat"}, stdin: "from the user\n", stdout: "from the user\n"},
				{uid: 65534, argv: []string{"sh", "-c", "echo out; echo err >&2; exit 7"}, code: 7, stdout: "out\n", stderr: "err\n"},
				{uid: 65534, argv: []string{"sh", "-c", "kill -9 $$"}, code: 137},
				{uid: 65534, argv: []string{"reboot"}, code: 99, stderr: "privhelper: Unauthorized command: reboot (no rule of the policy allows this command)\n"},
				{uid: 65534, argv: []string{"no-such-program"}, code: 96, stderr: "privhelper: rule missing allows it, but its program is missing or not to be trusted\n"},
				{uid: 65533, argv: []string{"id"}, code: 99, stderr: "privhelper: uid 65533 may not use this service: ask root of this machine to name the user, or a @group, in `clients =` of " + filepath.Join(filepath.Dir(socket), "r.conf") + "\n"},
			} {
				cmd := unprivileged(c.uid, append([]string{"run", "--socket", socket, "--"}, c.argv...)...)
				var stdout, stderr bytes.Buffer
				cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(c.stdin), &stdout, &stderr
				if code := exitCode(t, start(t, cmd)); code != c.code || stdout.String() != c.stdout || stderr.String() != c.stderr {
					t.Errorf("%v as %d: exit code %d, %q, %q", c.argv, c.uid, code, stdout.String(), stderr.String())
				}
			}
			out := testenv.Output(t, unprivileged(65534, "list", "--socket", socket))
			if want := "sh\tCommandFilter\troot\t\"sh\"\t[]\n"; !strings.HasPrefix(string(out), want) || strings.Count(string(out), "\n") != 4 {
				t.Errorf("list: %q", out)
			}
		})
	}
}

func start(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// A rule for others is not listed, and not run (CVE-2025-32462: sudo's two answers differed).
func TestListAndRunAgree(t *testing.T) {
	socket := startService(t, "id: CommandFilter, id, root\nother: CommandFilter, true, root\n[other]\nclients=1\n", "", false)
	out := testenv.Output(t, unprivileged(65534, "list", "--socket", socket))
	if string(out) != "id\tCommandFilter\troot\t\"id\"\t[]\n" {
		t.Errorf("list: %q", out)
	}
	if code := exitCode(t, start(t, unprivileged(65534, "run", "--socket", socket, "true"))); code != 99 {
		t.Errorf("exit code %d", code)
	}
}

func TestRunWithoutService(t *testing.T) {
	testenv.NeedRoot(t)
	for _, args := range [][]string{{"run", "--socket", base + "/none", "id"}, {"run", "id"}, {"list"}} {
		cmd := unprivileged(65534, args...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if code := exitCode(t, start(t, cmd)); code != 97 || !strings.Contains(stderr.String(), "no service listens there; ask root") {
			t.Errorf("%v: exit code %d, %s", args, code, stderr.Bytes())
		}
	}
}

// On a terminal the command has a pty of its own: what is typed reaches it, keys that are signals end or stop it, and it cannot
// type into the user's.
func TestServiceTerminal(t *testing.T) {
	socket := startService(t, shRules+"probe: CommandFilter, "+program("probe")+", root\n", "", false)
	run := []string{"run", "--socket", socket, "--"}

	p := newPTY(t)
	before := p.settings(nil)
	out := filepath.Join(writable(t), "said")
	if code := exitCode(t, p.startAs(65534, [3]*os.File{}, append(run, program("probe"), out)...)); code != 0 {
		t.Fatalf("exit code %d: %q", code, (&screen{p: p}).rest())
	}
	if said, _ := os.ReadFile(out); !strings.HasPrefix(string(said), "uid 0 session true\n0: typed\n1: typed\n2: typed\n") {
		t.Errorf("the command says %q", said)
	}
	if ahead := p.typedAhead(); ahead != "" {
		t.Errorf("what the user's shell would read: %q", ahead)
	}
	p.settings(func(s *unix.Termios) { *s = before })

	p = newPTY(t)
	before = p.settings(nil)
	if err := unix.IoctlSetWinsize(int(p.hand.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 33, Col: 99}); err != nil {
		t.Fatal(err)
	}
	cmd := p.startAs(65534, [3]*os.File{}, append(run, "sh", "-c", `stty size; read a; echo "got $a"; read b; echo "then $b"; exec sleep 1000`)...)
	s := &screen{p: p}
	s.wait("33 99\r\n")
	typed(t, p, "some words\n")
	s.wait("got some words\r\n")

	typed(t, p, "\x1a") // Ctrl-Z
	var status unix.WaitStatus
	if _, err := unix.Wait4(cmd.Process.Pid, &status, unix.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("Ctrl-Z: %v, status %x", err, status)
	}
	if now := p.settings(nil); now != before {
		t.Error("stopped, it has not given the terminal back")
	}
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	typed(t, p, "go on\n")
	s.wait("then go on\r\n")
	typed(t, p, "\x03") // Ctrl-C
	interruptedWith(t, p, cmd)
	if p.settings(nil) != before {
		t.Error("the terminal was not given back as it was")
	}
}

func typed(t *testing.T, p *pty, text string) {
	t.Helper()
	if _, err := p.hand.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// What is sent to us reaches the command, and with us the command goes, of whatever session.
func TestServiceSignals(t *testing.T) {
	socket := startService(t, shRules, "", false)
	for _, sig := range []syscall.Signal{unix.SIGHUP, unix.SIGTERM, unix.SIGUSR1, unix.SIGINT} {
		cmd := unprivileged(65534, "run", "--socket", socket, "--", "sh", "-c", `trap 'echo caught; exit 9' HUP TERM USR1 INT; echo ready; while :; do sleep 0.05; done`)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		start(t, cmd)
		_, _ = out.Read(make([]byte, 10))
		_ = cmd.Process.Signal(sig)
		if code := exitCode(t, cmd); code != 9 {
			t.Errorf("%v: exit code %d", sig, code)
		}
	}
	cmd := unprivileged(65534, "run", "--socket", socket, "--", "sh", "-c", `setsid sh -c 'echo $$; exec sleep 1000' & wait`)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, cmd)
	text := make([]byte, 20)
	n, _ := out.Read(text)
	stat := "/proc/" + strings.TrimSpace(string(text[:n])) + "/stat"
	if _, err := os.Stat(stat); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Process.Kill()
	began := time.Now()
	for {
		state, err := os.ReadFile(stat)
		if err != nil || strings.Contains(string(state), ") Z ") {
			break
		}
		if time.Since(began) > time.Second {
			t.Fatal("a second after its client was killed the command lives")
		}
		time.Sleep(5 * time.Millisecond)
	}
	_ = cmd.Wait()
}
