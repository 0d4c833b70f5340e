package wire

import (
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience bounds how long a test that hangs hangs.
const patience = 30 * time.Second

// sockets returns the two ends of a connection.
func sockets(t testing.TB) (a, b *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fds[0]), "a"), os.NewFile(uintptr(fds[1]), "b")
}

func newConn(t testing.TB, socket *os.File, us Side) *Conn {
	t.Helper()
	c, err := NewConn(socket, us)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// pair returns a client and a helper who speak with each other.
func pair(t testing.TB) (client, helper *Conn) {
	t.Helper()
	a, b := sockets(t)
	return newConn(t, a, FromClient), newConn(t, b, FromHelper)
}

// rawPair returns a blocking socket to write nonsense to, and the Conn that reads it.
func rawPair(t testing.TB, reader Side) (raw int, c *Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fds[0]) })
	return fds[0], newConn(t, os.NewFile(uintptr(fds[1]), "b"), reader)
}

func put(t testing.TB, fd int, b []byte, fds ...int) {
	t.Helper()
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	if err := unix.Sendmsg(fd, b, rights, nil, unix.MSG_NOSIGNAL); err != nil {
		t.Fatal(err)
	}
}

// openFiles is how many descriptors this process has. Nothing is collected meanwhile: the garbage collector closes files
// too, and would hide one that was forgotten.
func openFiles(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func wantProtocolError(t testing.TB, why string, err error, says string) {
	t.Helper()
	var p *ProtocolError
	if !errors.As(err, &p) || !strings.Contains(err.Error(), says) {
		t.Errorf("%s: the error does not say %q: %v", why, says, err)
	}
}

func call(id uint64, size int) Call {
	args := append([]byte{0xc6, 0, 0, 0, 0}, make([]byte, size)...)
	binary.BigEndian.PutUint32(args[1:], uint32(size))
	return Call{ID: id, Entrypoint: "net.x", Args: args}
}

// TestSendReceive: every message arrives as it was sent, with its files.
