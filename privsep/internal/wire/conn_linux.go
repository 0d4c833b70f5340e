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
	out     strict.Writer // the frame that is being written; it, spare and tx belong to whoever has that right
	spare   []byte        // what was posted and is being written; memory for the next
	tx      transmission
	posted  mailbox

	buf     []byte // bytes received and not yet parsed, from next on
	next    int
	arrived []*os.File // descriptors received and not yet claimed by a frame
	rx      reception
	size    int    // of the frame whose length has come; 0: it has not
	part    []byte // of that frame, where it is large
	wake    *waker // ends a wait of ReceiveUntil
	ended   error  // what Receive ended with; it never gets behind it

	push, pull func(fd uintptr) // c.tx.push and c.rx.pull, made once: a call would allocate them
}

// The two buffers of a connection. A frame from 4 KiB up is received where it stays; small ones come many at a time.
const (
	bufferSize = 4 << 10
	maxIdleOut = 64 << 10 // a frame above is not kept for the next: an idle connection holds little
)

// NewConn takes the socket over: it is the Conn's to close, also where NewConn fails, and blocking from now on. us is the
// side that calls.
//
// Who waits does so in the kernel, in recvmsg(2) or poll(2), on a thread of its own, and not in the Go runtime's poller. There
// a message costs four system calls more, and the poller wakes a thread for each that comes, although nobody waits there.
func NewConn(socket *os.File, us Side) (*Conn, error) {
	defer socket.Close()
	fd, err := unix.FcntlInt(socket.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	if err := unix.SetNonblock(fd, false); err != nil { // os.NewFile would give it to the poller
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	file := os.NewFile(uintptr(fd), "privsep-socket")
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, err
	}
	wake, err := newWaker()
	if err != nil {
		file.Close()
		return nil, err
	}
	c := &Conn{file: file, raw: raw, wake: wake, from: !us, writing: make(chan struct{}, 1),
		buf: make([]byte, 0, bufferSize), rx: reception{control: make([]byte, unix.CmsgSpace(4*MaxFiles)+64)}}
	c.push, c.pull = c.tx.push, c.rx.pull
	c.writing <- struct{}{}
	return c, nil
}

// SyscallConn gives access to the socket, to ask who the peer is.
func (c *Conn) SyscallConn() syscall.RawConn { return c.raw }

// Close ends the connection, as Shutdown does: a Receive or Send that waits returns, the other side reads its end.
func (c *Conn) Close() error {
	c.Shutdown() // nothing else wakes who waits in the kernel
	c.wake.close()
	return c.file.Close()
}

// Shutdown ends it for every process that holds the socket, not for this one alone.
func (c *Conn) Shutdown() {
	_ = c.raw.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RDWR) })
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
