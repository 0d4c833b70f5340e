package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Conn sends and receives messages on one connected AF_UNIX stream socket. Send may be called from any goroutine,
// Receive from one at a time.
type Conn struct {
	file *os.File
	raw  syscall.RawConn
	from Side // who sends to us

	writing chan struct{} // holds one token: the right to write

	buf     []byte // bytes received and not yet parsed, from next on
	next    int
	arrived []*os.File // descriptors received and not yet claimed by a frame
	control []byte
	ended   error // what Receive ended with; it never gets behind it
}

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
	c := &Conn{file: file, raw: raw, from: !us, writing: make(chan struct{}, 1), control: make([]byte, unix.CmsgSpace(4*MaxFiles)+64)}
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

// Send writes one message and passes the files with its first byte. They stay the caller's.
//
// begun says whether a byte of it left. Where it did not (ctx ended before, the connection is closed, a file is, or the
// other side would refuse the message: a *TooLargeError or a *ProtocolError of our own side) the other side never sees
// it, and the connection is as good as before. Where ctx ends in the midst of a message the rest is written in the background:
// half a frame would be the end of the connection for everybody else.
func (c *Conn) Send(ctx context.Context, m Message, files []*os.File) (begun bool, err error) {
	if len(files) > MaxFiles {
		return false, fmt.Errorf("%d open files, one message carries at most %d", len(files), MaxFiles)
	}
	frame := appendFrame(nil, m, len(files))
	if len(frame)-4 > (!c.from).MaxFrame() {
		return false, &TooLargeError{Size: len(frame) - 4, Max: (!c.from).MaxFrame()}
	}
	if _, _, err := parse(frame[4:], !c.from); err != nil {
		return false, err // to send it would end the connection for everybody who shares it
	}
	select {
	case <-c.writing:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if ctx.Err() != nil { // select chooses by chance where both are ready
		c.writing <- struct{}{}
		return false, ctx.Err()
	}
	var sent int
	err = withDescriptors(files, nil, func(fds []int) error {
		var rights []byte
		if len(fds) > 0 {
			rights = unix.UnixRights(fds...)
		}
		sent, err = c.write(ctx, frame, rights)
		return err
	})
	if err != nil && sent > 0 && ctx.Err() != nil {
		go func() {
			_, _ = c.write(context.Background(), frame[sent:], nil)
			c.writing <- struct{}{}
		}()
		return true, ctx.Err()
	}
	c.writing <- struct{}{}
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return sent > 0, err
}

// write sends all of b, and the rights with its first byte. It waits for room only as long as ctx lasts.
func (c *Conn) write(ctx context.Context, b, rights []byte) (sent int, err error) {
	stop := c.wakeWriterAt(ctx)
	defer stop()
	werr := c.raw.Write(func(fd uintptr) bool {
		for sent < len(b) {
			n, e := unix.SendmsgN(int(fd), b[sent:], rights, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
			switch {
			case e == unix.EINTR:
				continue
			case e == unix.EAGAIN:
				return false
			case e != nil:
				err = os.NewSyscallError("sendmsg", e)
				return true
			}
			sent, rights = sent+n, nil
		}
		return true
	})
	if werr != nil {
		return sent, werr
	}
	return sent, err
}

// wakeWriterAt makes a write that waits for room return when ctx ends, by way of the write deadline, which belongs to
// whoever has the right to write. What it returns must be called before that right is given on.
func (c *Conn) wakeWriterAt(ctx context.Context) (stop func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	woken := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		_ = c.file.SetWriteDeadline(longAgo)
		close(woken)
	})
	return func() {
		if !cancel() {
			<-woken
			_ = c.file.SetWriteDeadline(time.Time{})
		}
	}
}

// withDescriptors calls do with the descriptors of files, none of which can be closed meanwhile. File.Fd is not used:
// it would make the file blocking for everybody who shares it.
func withDescriptors(files []*os.File, fds []int, do func([]int) error) error {
	if len(files) == 0 {
		return do(fds)
	}
	if files[0] == nil {
		return errors.New("a nil *os.File cannot be passed")
	}
	raw, err := files[0].SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = withDescriptors(files[1:], append(fds, int(fd)), do) }); err != nil {
		return err
	}
	return inner
}

// Receive returns the next message and the files that came with it, which are the caller's to close. At the end of the
// connection it returns io.EOF, in the midst of a frame io.ErrUnexpectedEOF, for what is no message a *ProtocolError.
// After any error there is nothing more to receive, each later Receive returns the same, and files that no message
// claimed are closed.
func (c *Conn) Receive() (m Message, files []*os.File, err error) {
	if c.ended != nil {
		return nil, nil, c.ended
	}
	defer func() {
		if err != nil {
			closeAll(c.arrived)
			c.arrived, c.buf, c.next, c.ended = nil, nil, 0, err
		}
	}()
	payload, err := c.frame()
	if err != nil {
		return nil, nil, err
	}
	m, count, err := parse(payload, c.from)
	if err != nil {
		return nil, nil, err
	}
	if count > len(c.arrived) {
		return nil, nil, protocolError(c.from, "%s says %d descriptors, %d came", m.Type(), count, len(c.arrived))
	}
	files, c.arrived = c.arrived[:count:count], c.arrived[count:]
	if len(c.arrived) > 0 && c.next == len(c.buf) {
		closeAll(files)
		return nil, nil, protocolError(c.from, "%d descriptors that no message names", len(c.arrived))
	}
	return m, files, nil
}

// frame returns the payload of the next frame, in memory of its own: its parts live on in calls and replies.
func (c *Conn) frame() ([]byte, error) {
	if err := c.fill(4); err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint32(c.buf[c.next:]))
	if size == 0 || size > c.from.MaxFrame() {
		return nil, protocolError(c.from, "a frame of %d bytes, allowed are 1 to %d", uint32(size), c.from.MaxFrame())
	}
	if err := c.fill(4 + size); err != nil {
		return nil, err
	}
	payload := append([]byte(nil), c.buf[c.next+4:c.next+4+size]...)
	c.next += 4 + size
	return payload, nil
}

// fill receives until n bytes stand in the buffer. It takes memory as bytes arrive, not as a length claims.
func (c *Conn) fill(n int) error {
	for len(c.buf)-c.next < n {
		if c.next > 0 {
			c.buf = c.buf[:copy(c.buf, c.buf[c.next:])]
			c.next = 0
		}
		if len(c.buf) == cap(c.buf) {
			grown := make([]byte, len(c.buf), max(4096, 2*cap(c.buf)))
			copy(grown, c.buf)
			c.buf = grown
		}
		if cap(c.buf) > 1<<16 && len(c.buf) == 0 && n <= 4096 {
			c.buf = make([]byte, 0, 4096) // a large message is over: an idle connection holds little
		}
		got, err := c.receive(c.buf[len(c.buf):cap(c.buf)])
		c.buf = c.buf[:len(c.buf)+got]
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *Conn) receive(b []byte) (got int, err error) {
	var oobn, flags int
	rerr := c.raw.Read(func(fd uintptr) bool {
		for {
			got, oobn, flags, _, err = unix.Recvmsg(int(fd), b, c.control, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
			if err != unix.EINTR {
				return err != unix.EAGAIN
			}
		}
	})
	switch {
	case rerr != nil:
		return 0, rerr
	case err == unix.ECONNRESET:
		got, oobn, flags = 0, 0, 0 // the other side went with bytes of ours unread: an end like any other
	case err != nil:
		return 0, os.NewSyscallError("recvmsg", err)
	}
	if oobn > 0 {
		if err := c.accept(c.control[:oobn]); err != nil {
			return 0, err
		}
	}
	// The kernel sends at most MaxFiles with one message, for which control has room, so it is this process that had
	// none for them. Those that were installed are in arrived and are closed with it.
	if flags&unix.MSG_CTRUNC != 0 {
		return 0, errors.New("descriptors were lost: this process may open no more files: raise RLIMIT_NOFILE")
	}
	// One recvmsg may return the end of a frame together with the begin of the next: two frames' descriptors.
	if len(c.arrived) > 2*MaxFiles {
		return 0, protocolError(c.from, "more than %d descriptors", MaxFiles)
	}
	if got == 0 {
		if len(c.buf) > 0 {
			return 0, io.ErrUnexpectedEOF
		}
		return 0, io.EOF
	}
	return got, nil
}

// accept takes the descriptors out of control messages.
func (c *Conn) accept(oob []byte) error {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return protocolError(c.from, "control message: %v", err)
	}
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			continue // not SCM_RIGHTS: nothing to close, nothing that we asked for
		}
		for _, fd := range fds {
			c.arrived = append(c.arrived, os.NewFile(uintptr(fd), fmt.Sprintf("passed-fd-%d", fd)))
		}
	}
	return nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// TooLargeError says that a message is above what the other side reads.
type TooLargeError struct {
	Size, Max int // bytes
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("a message of %d bytes, the limit is %d: pass a File for larger data", e.Size, e.Max)
}

var longAgo = time.Unix(1, 0)
