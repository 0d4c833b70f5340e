package wire

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/privsep/internal/strict"
)

// A Conn sends and receives messages on one connected AF_UNIX stream socket. Send may be called from any goroutine,
// Receive from one at a time.
type Conn struct {
	file *os.File
	raw  syscall.RawConn
	from Side // who sends to us

	writing chan struct{} // holds one token: the right to write
	out     strict.Writer // the frame that is being written; it and tx belong to whoever has that right
	tx      transmission

	buf     []byte // bytes received and not yet parsed, from next on
	next    int
	arrived []*os.File // descriptors received and not yet claimed by a frame
	rx      reception
	ended   error // what Receive ended with; it never gets behind it

	push, pull func(fd uintptr) bool // c.tx.push and c.rx.pull, made once: what a call hands to the poller it allocates
}

// The two buffers of a connection. A frame from 4 KiB up is received where it stays; small ones come many at a time.
const (
	bufferSize = 4 << 10
	maxIdleOut = 64 << 10 // a frame above is not kept for the next: an idle connection holds little
)

// NewConn takes the socket over: it is the Conn's to close, also where NewConn fails, and non-blocking from now on. us is
// the side that calls.
func NewConn(socket *os.File, us Side) (*Conn, error) {
	defer socket.Close()
	fd, err := unix.FcntlInt(socket.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	file := os.NewFile(uintptr(fd), "privsep-socket")
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, err
	}
	c := &Conn{file: file, raw: raw, from: !us, writing: make(chan struct{}, 1),
		buf: make([]byte, 0, bufferSize), rx: reception{control: make([]byte, unix.CmsgSpace(4*MaxFiles)+64)}}
	c.push, c.pull = c.tx.push, c.rx.pull
	c.writing <- struct{}{}
	return c, nil
}

// SyscallConn gives access to the socket, to ask who the peer is.
func (c *Conn) SyscallConn() syscall.RawConn { return c.raw }

// Close ends the connection: a Receive or Send that waits returns, the other side reads its end.
func (c *Conn) Close() error { return c.file.Close() }

// Shutdown ends it for every process that holds the socket, not for this one alone.
func (c *Conn) Shutdown() {
	_ = c.raw.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RDWR) })
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
