package service

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// A kind is what a message between the master and a worker says.
type kind byte

const (
	setUp     kind = 'S' // to the worker, first: its snapshot, if there is one, and what another has proven
	ready     kind = 'R' // to the master: the worker is confined, and has proven that
	handOver  kind = 'H' // to the worker: its client's connection and command line, and how many calls it may make at first
	wantCalls kind = 'W' // to the master: may it make more?
	grant     kind = 'G' // to the worker: so many; none is too
	drain     kind = 'D' // to the worker: no more calls
	reopen    kind = 'O' // to the worker: its audit log has another name
	tell      kind = 'T' // to the worker: it writes its Stats into the file, a pipe, as JSON
)

// message is one datagram on the socket between master and worker: five bytes, maxText more at most, and at most one file.
type message struct {
	kind kind
	n    uint32
	text []byte
	file *os.File
}

// maxText is more than daemon.CommandLine gives.
const maxText = 512

// control is one end of that socket. It may be used by many goroutines, receive by one at a time.
type control struct {
	file *os.File
	raw  syscall.RawConn
}

// newControl takes over a SOCK_SEQPACKET socket that does not block.
func newControl(fd int) (*control, error) {
	file := os.NewFile(uintptr(fd), "control")
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, err
	}
	return &control{file, raw}, nil
}

func (c *control) close() { c.file.Close() }

// send writes a message. The file stays the caller's.
func (c *control) send(m message) error {
	text := append(binary.BigEndian.AppendUint32([]byte{byte(m.kind)}, m.n), m.text...)
	var rights []byte
	if m.file != nil {
		rights = unix.UnixRights(int(m.file.Fd()))
	}
	var err error
	werr := c.raw.Write(func(fd uintptr) bool {
		err = unix.Sendmsg(int(fd), text, rights, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		return err != unix.EAGAIN && err != unix.EINTR
	})
	if werr != nil {
		return werr
	}
	return os.NewSyscallError("sendmsg", err)
}

// receive reads a message. files says whether one may bring a file: where not, the kernel drops what comes. The error is
// io.EOF when the other side is gone.
func (c *control) receive(files bool) (message, error) {
	text := make([]byte, 5+maxText+1)
	var oob []byte
	if files {
		oob = make([]byte, unix.CmsgSpace(4))
	}
	var n, oobn int
	var err error
	rerr := c.raw.Read(func(fd uintptr) bool {
		// syscall's: the one of x/sys links a reader of every family of addresses, 25 KB in all.
		n, oobn, _, _, err = syscall.Recvmsg(int(fd), text, oob, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
		return err != unix.EAGAIN && err != unix.EINTR
	})
	switch {
	case rerr != nil:
		return message{}, rerr
	case err == unix.ECONNRESET, err == nil && n == 0 && oobn == 0:
		return message{}, io.EOF
	case err != nil:
		return message{}, os.NewSyscallError("recvmsg", err)
	}
	file, err := received(oob[:oobn])
	if err == nil && (n < 5 || n == len(text)) {
		err = fmt.Errorf("a message of %d bytes", n)
	}
	if err != nil {
		if file != nil {
			file.Close()
		}
		return message{}, err
	}
	return message{kind: kind(text[0]), n: binary.BigEndian.Uint32(text[1:]), text: text[5:n], file: file}, nil
}

// received returns the one file of a control message, nil where there is none.
func received(oob []byte) (*os.File, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(messages) == 0 {
		return nil, err
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) == 0 {
		return nil, err
	}
	return os.NewFile(uintptr(fds[0]), "handed over"), nil // the buffer has room for one
}
