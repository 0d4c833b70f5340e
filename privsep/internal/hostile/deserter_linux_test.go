package hostile

import (
	"io"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep/internal/wire"
)

// deserter makes a connection, gives both ends away on descriptor 3, and goes when standard input ends.
func deserter([]string) error {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Sendmsg(3, []byte{0}, unix.UnixRights(fds[:]...), nil, 0); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// TestClientGoesItsEndStays: a client that has given its helper the client's own end of the connection, and goes. The
// helper holds what would tell it so, and ends within a second all the same; this test holds it too, as a command would.
func TestClientGoesItsEndStays(t *testing.T) {
	control, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(control[0])
	theirs := os.NewFile(uintptr(control[1]), "control")
	client := testenv.Child(t, "deserter")
	client.ExtraFiles, client.Stderr = []*os.File{theirs}, os.Stderr
	lives, err := client.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	oob := make([]byte, unix.CmsgSpace(8))
	if _, _, _, _, err := unix.Recvmsg(control[0], make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		t.Fatal(err)
	}
	ends, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		t.Fatal(err)
	}
	v := &victim{t: t, cmd: startHelperOn(t, "helper", ends[0], os.Stderr), fd: ends[1]}
	defer unix.Close(v.fd)
	v.answer(wire.TypeHello)
	v.call("target.files", 0, indexes(1), v.fd)
	v.look() // the call before has come

	lives.Close()
	if err := client.Wait(); err != nil {
		t.Fatal(err)
	}
	gone := time.Now()
	ended := make(chan error, 1)
	go func() { ended <- v.cmd.Wait() }()
	select {
	case err := <-ended:
		if took := time.Since(gone); err != nil || took > time.Second {
			t.Errorf("the helper ended %v after its client: %v", took, err)
		}
	case <-time.After(patience):
		_ = v.cmd.Process.Kill()
		t.Fatal("the helper outlives its client")
	}
}
