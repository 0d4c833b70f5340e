package daemon_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep/daemon"
)

// TestCommandLine: what /proc says of a pid counts only as long as the peer itself is alive. When it has ended the pid may be
// another's, whose command line must not stand in the audit log as the peer's (CVE-2019-6133); here it is this test's own.
func TestCommandLine(t *testing.T) {
	own, err := os.ReadFile("/proc/self/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	if got := daemon.CommandLine(pair[0], os.Getpid()); len(got) == 0 || !bytes.HasPrefix(own, got) {
		t.Errorf("alive: %q, want the beginning of %q", got, own)
	}
	for _, pid := range []int{0, -1} {
		if got := daemon.CommandLine(pair[0], pid); got != nil {
			t.Errorf("pid %d, which this namespace does not see: %q", pid, got)
		}
	}

	python := testenv.NeedProgram(t, "python3", "python3")
	path := filepath.Join(t.TempDir(), "socket")
	listener, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(listener)
	if err := unix.Bind(listener, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(listener, 1); err != nil {
		t.Fatal(err)
	}
	peer := exec.Command(python, "-c", "import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\nsys.stdin.read()", path)
	in, err := peer.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := peer.Start(); err != nil {
		t.Fatal(err)
	}
	conn, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(conn)
	if got := daemon.CommandLine(conn, peer.Process.Pid); !bytes.HasSuffix(got, []byte("\x00"+path+"\x00")) {
		t.Errorf("a living peer: %q", got)
	}
	in.Close()
	if err := peer.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range []int{peer.Process.Pid, os.Getpid()} {
		if got := daemon.CommandLine(conn, pid); got != nil {
			t.Errorf("the peer has ended, and pid %d has %q", pid, got)
		}
	}
}
