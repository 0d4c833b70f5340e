//go:build linux

package main_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A pty is a caller's terminal, with the test in the place of the person: what is written to hand is typed.
type pty struct {
	t        *testing.T
	hand     *os.File
	terminal *os.File
}

func newPTY(t *testing.T) *pty {
	t.Helper()
	master, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("open /dev/ptmx: %v: these tests need a mounted devpts", err)
	}
	p := &pty{t: t, hand: os.NewFile(uintptr(master), "hand")}
	t.Cleanup(func() { p.hand.Close() })
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	slave, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(master), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		t.Fatalf("ioctl TIOCGPTPEER: %v", errno)
	}
	p.terminal = os.NewFile(slave, "terminal")
	t.Cleanup(func() { p.terminal.Close() })
	return p
}

// settings of the terminal, changed by change where it is not nil.
func (p *pty) settings(change func(*unix.Termios)) unix.Termios {
	p.t.Helper()
	now, err := unix.IoctlGetTermios(int(p.terminal.Fd()), unix.TCGETS)
	if err != nil {
		p.t.Fatal(err)
	}
	if change != nil {
		change(now)
		if err := unix.IoctlSetTermios(int(p.terminal.Fd()), unix.TCSETS, now); err != nil {
			p.t.Fatal(err)
		}
	}
	return *now
}

// typedAhead is what the next program to read the terminal would get.
func (p *pty) typedAhead() string {
	p.t.Helper()
	p.settings(func(s *unix.Termios) { s.Lflag &^= unix.ICANON; s.Cc[unix.VMIN], s.Cc[unix.VTIME] = 0, 0 })
	b := make([]byte, 100)
	n, err := unix.Read(int(p.terminal.Fd()), b)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b[:n])
}

// start runs the binary in a session whose terminal is p. Streams that are nil are p too.
func (p *pty) start(streams [3]*os.File, args ...string) *exec.Cmd {
	p.t.Helper()
	return p.startAs(0, streams, args...)
}

func (p *pty) startAs(uid uint32, streams [3]*os.File, args ...string) *exec.Cmd {
	p.t.Helper()
	return p.startProgram(uid, streams, append([]string{binary()}, args...)...)
}

func (p *pty) startProgram(uid uint32, streams [3]*os.File, argv ...string) *exec.Cmd {
	p.t.Helper()
	for i := range streams {
		if streams[i] == nil {
			streams[i] = p.terminal
		}
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = streams[0], streams[1], streams[2]
	cmd.ExtraFiles = []*os.File{p.terminal}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3, Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { cmd.Process.Kill() })
	return cmd
}

// exitCode waits for the end. It is told apart from a signal, which ends the test.
func exitCode(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	if err := cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	if s := signalOf(cmd.ProcessState); s != 0 {
		t.Fatalf("%v was ended by %v", cmd, s)
	}
	return cmd.ProcessState.ExitCode()
}

// screen collects what is shown, until the text is among it.
type screen struct {
	p     *pty
	shown string
}

func (s *screen) wait(text string) {
	s.p.t.Helper()
	b := make([]byte, 64<<10)
	for !strings.Contains(s.shown, text) {
		n, err := s.p.hand.Read(b)
		if err != nil {
			s.p.t.Fatalf("waiting for %q, shown so far: %q: %v", text, s.shown, err)
		}
		s.shown += string(b[:n])
	}
}

// rest is all that is shown until nobody holds the terminal any more.
func (s *screen) rest() string {
	s.p.t.Helper()
	s.p.terminal.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := s.p.hand.Read(b)
		s.shown += string(b[:n])
		if err != nil { // EIO
			return s.shown
		}
	}
}

// writable is a folder that every user may write.
func writable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(base, "writable-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// program is the path of this test binary under another name, for a policy.
func program(name string) string { return filepath.Join(base, "bin", name) }
