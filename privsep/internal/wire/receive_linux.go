package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Receive returns the next message and the files that came with it, which are the caller's to close. At the end of the
// connection it returns io.EOF, in the midst of a frame io.ErrUnexpectedEOF, for what is no message a *ProtocolError.
// After any error there is nothing more to receive, each later Receive returns the same, and files that no message
// claimed are closed.
func (c *Conn) Receive() (m Message, files []*os.File, err error) {
	return c.ReceiveUntil(context.Background())
}

// ReceiveUntil is Receive as long as ctx lasts. Where ctx ends first it returns ErrWaited, which is no end: what has come of a
// message waits for the next Receive.
func (c *Conn) ReceiveUntil(ctx context.Context) (m Message, files []*os.File, err error) {
	if c.ended != nil {
		return nil, nil, c.ended
	}
	if ctx.Done() != nil && !c.Whole() {
		defer c.wakeReader(ctx)()
	}
	defer func() {
		if err != nil && err != ErrWaited {
			closeAll(c.arrived)
			c.arrived, c.buf, c.next, c.part, c.ended = nil, nil, 0, nil, err
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

// Whole reports whether a message has come whole, so that Receive will not wait. It is for whoever may call Receive.
func (c *Conn) Whole() bool {
	if c.ended != nil {
		return true
	}
	b := c.buf[c.next:]
	if c.size > 0 {
		return c.part == nil && len(b) >= c.size
	}
	return len(b) >= 4 && uint64(len(b)-4) >= uint64(binary.BigEndian.Uint32(b))
}

// frame returns the payload of the next frame, in memory of its own: its parts live on in calls and replies. Where a wait ends
// before the frame has come, size and part remember what has.
func (c *Conn) frame() ([]byte, error) {
	if c.size == 0 {
		if err := c.fill(4); err != nil {
			return nil, err
		}
		size := int(binary.BigEndian.Uint32(c.buf[c.next:]))
		if size == 0 || size > c.from.MaxFrame() {
			return nil, protocolError(c.from, "a frame of %d bytes, allowed are 1 to %d", uint32(size), c.from.MaxFrame())
		}
		c.size, c.next = size, c.next+4
	}
	if c.size > bufferSize {
		return c.largeFrame()
	}
	if err := c.fill(c.size); err != nil {
		return nil, within(err)
	}
	payload := bytes.Clone(c.buf[c.next : c.next+c.size])
	c.next, c.size = c.next+c.size, 0
	return payload, nil
}

// largeFrame is frame for one that is longer than the buffer. A length that claims much gets 64 KiB, and the rest when these
// have come.
func (c *Conn) largeFrame() ([]byte, error) {
	if c.part == nil {
		c.part = make([]byte, 0, min(c.size, 16*bufferSize))
		c.part = append(c.part, c.buf[c.next:]...) // fewer than size: the buffer is not so large
		c.buf, c.next = c.buf[:0], 0
	}
	for len(c.part) < c.size {
		if len(c.part) == cap(c.part) {
			c.part = append(make([]byte, 0, c.size), c.part...)
		}
		got, err := c.receive(c.part[len(c.part):cap(c.part)])
		if err != nil {
			return nil, within(err)
		}
		c.part = c.part[:len(c.part)+got]
	}
	payload := c.part
	c.part, c.size = nil, 0
	return payload, nil
}

// fill receives until n bytes stand in the buffer, at most as many as it holds.
func (c *Conn) fill(n int) error {
	for len(c.buf)-c.next < n {
		if c.next > 0 {
			c.buf = c.buf[:copy(c.buf, c.buf[c.next:])]
			c.next = 0
		}
		got, err := c.receive(c.buf[len(c.buf):cap(c.buf)])
		if err != nil {
			if len(c.buf) > 0 {
				err = within(err)
			}
			return err
		}
		c.buf = c.buf[:len(c.buf)+got]
	}
	return nil
}

// within is the error of an end in the midst of a frame.
func within(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// A reception is one recvmsg(2): what it may fill, and what came.
type reception struct {
	to, control     []byte
	got, oob, flags int
	err             error
	wake            *waker // ends the wait; nil: nothing does but the connection's end
}

// pull waits for something to receive, and receives it. To wait in recvmsg itself is one system call less than in poll.
func (r *reception) pull(fd uintptr) {
	r.err = nil
	if r.wake != nil {
		r.err = r.wake.wait(fd, unix.POLLIN)
	}
	for r.err == nil || r.err == unix.EINTR || r.err == unix.EAGAIN {
		r.got, r.oob, r.flags, r.err = recvmsg(int(fd), r.to, r.control, unix.MSG_CMSG_CLOEXEC)
		if r.err == nil {
			return
		}
		if r.err == unix.EAGAIN { // the other side has a copy of our end, and has made it non-blocking
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		}
	}
}

func (c *Conn) receive(b []byte) (got int, err error) {
	c.rx.to = b
	rerr := c.raw.Control(c.pull)
	c.rx.to = nil
	got, oobn, flags := c.rx.got, c.rx.oob, c.rx.flags
	switch {
	case rerr != nil:
		return 0, rerr
	case c.rx.err == ErrWaited:
		return 0, ErrWaited
	case c.rx.err == unix.ECONNRESET:
		got, oobn, flags = 0, 0, 0 // the other side went with bytes of ours unread: an end like any other
	case c.rx.err != nil:
		return 0, os.NewSyscallError("recvmsg", c.rx.err)
	}
	if oobn > 0 {
		if err := c.accept(c.rx.control[:oobn]); err != nil {
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
