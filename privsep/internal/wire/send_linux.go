package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

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
	select {
	case <-c.writing:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if ctx.Err() != nil { // select chooses by chance where both are ready
		c.doneWriting()
		return false, ctx.Err()
	}
	if first := c.takePosted(); len(first) > 0 {
		if sent, err := c.write(ctx, outgoing{first: first}, nil); err != nil {
			c.finish(ctx, outgoing{first: first[sent:]})
			return false, err
		}
	}
	// Not before: 64 senders that wait for a slow reader would hold 64 frames.
	f, err := c.encode(m, len(files))
	if err != nil {
		c.doneWriting()
		return false, err
	}
	var sent int
	err = withDescriptors(files, nil, func(fds []int) error {
		var rights []byte
		if len(fds) > 0 {
			rights = unix.UnixRights(fds...)
		}
		sent, err = c.write(ctx, f, rights)
		return err
	})
	if err != nil && sent > 0 && ctx.Err() != nil {
		rest := f.from(sent)
		rest.last = bytes.Clone(rest.last) // the caller may do with it what it likes once we have returned
		c.finish(ctx, rest)
		return true, ctx.Err()
	}
	c.doneWriting()
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return sent > 0, err
}

// finish gives the right to write on, where it was ctx that ended a write when the rest has been sent.
func (c *Conn) finish(ctx context.Context, rest outgoing) {
	if ctx.Err() == nil {
		c.doneWriting()
		return
	}
	go func() {
		_, _ = c.write(context.Background(), rest, nil)
		c.doneWriting()
	}()
}

// An outgoing is a frame that is being sent. last is its end where that is large: it stays where it is.
type outgoing struct{ first, last []byte }

// from is what is left of it when n bytes have been sent.
func (f outgoing) from(n int) outgoing {
	if n < len(f.first) {
		return outgoing{f.first[n:], f.last}
	}
	return outgoing{last: f.last[n-len(f.first):]}
}

// encode makes the frame of a message, and holds it against what the other side takes: to send what it refuses would end
// the connection for everybody who shares it. The frame is good until the right to write is given on.
func (c *Conn) encode(m Message, files int) (f outgoing, err error) {
	us := !c.from
	w := &c.out
	w.Buf = append(w.Buf[:0], 0, 0, 0, 0)
	last := writeHead(w, m, files)
	size := len(w.Buf) - 4 + len(last)
	if size > us.MaxFrame() {
		return f, &TooLargeError{Size: size, Max: us.MaxFrame()}
	}
	if len(last) <= bufferSize {
		w.Raw(last)
		err = check(w.Buf[4:], us)
		last = nil
	} else {
		if err = oneValue(last, us); err == nil {
			err = check(append(w.Buf[4:], nilValue), us)
		}
	}
	binary.BigEndian.PutUint32(w.Buf, uint32(size))
	return outgoing{w.Buf, last}, err
}

// nilValue stands for a value that is checked by itself.
const nilValue = 0xc0

// doneWriting gives the right to write on, and sends what was posted meanwhile.
func (c *Conn) doneWriting() {
	if cap(c.out.Buf) > maxIdleOut {
		c.out.Buf = nil
	}
	c.writing <- struct{}{}
	_, _ = c.Flush()
}

// write sends all of f, and the rights with its first byte. It waits for room only as long as ctx lasts.
//
// The kernel counts descriptors in flight by user (unix(7), ETOOMANYREFS), so that another helper's client, which reads
// none of what it is sent, can hold up ours. That is waited for, for half a second and no more: nothing wakes who waits.
func (c *Conn) write(ctx context.Context, f outgoing, rights []byte) (sent int, err error) {
	for pause := time.Millisecond; ; pause *= 2 {
		sent, err = c.writeOnce(ctx, f, rights)
		if sent > 0 || !errors.Is(err, unix.ETOOMANYREFS) || pause > 256*time.Millisecond {
			return sent, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

func (c *Conn) writeOnce(ctx context.Context, f outgoing, rights []byte) (sent int, err error) {
	for {
		n, err := c.writeNow(f, rights)
		sent += n
		if err != unix.EAGAIN {
			return sent, err
		}
		if f = f.from(n); n > 0 {
			rights = nil
		}
		if err := c.waitForRoom(ctx); err != nil {
			return sent, err
		}
	}
}

// writeNow writes what the socket has room for; EAGAIN says that it was not all.
func (c *Conn) writeNow(f outgoing, rights []byte) (sent int, err error) {
	c.tx = transmission{left: f, rights: rights}
	err = c.raw.Control(c.push)
	t := c.tx
	c.tx = transmission{} // an idle connection keeps no reply
	if err == nil {
		err = t.err
	}
	return t.sent, err
}

// waitForRoom returns when there may be room in the socket, with ctx's error when that has ended. It is seldom needed, so what
// ends the wait is made for it.
func (c *Conn) waitForRoom(ctx context.Context) error {
	wake, err := newWaker()
	if err != nil {
		return err
	}
	defer wake.close()
	defer wake.at(ctx)()
	if cerr := c.raw.Control(func(fd uintptr) { err = wake.wait(fd, unix.POLLOUT) }); cerr != nil {
		return cerr
	}
	if err == ErrWaited {
		return ctx.Err()
	}
	return err
}

// A transmission is a frame on its way into the socket.
type transmission struct {
	left   outgoing
	rights []byte
	sent   int
	err    error
}

// push writes until all is sent or there is no more room.
func (t *transmission) push(fd uintptr) {
	for len(t.left.first)+len(t.left.last) > 0 {
		n, err := sendmsg(int(fd), t.left, t.rights)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			t.err = unix.EAGAIN
			return
		case err != nil:
			t.err = os.NewSyscallError("sendmsg", err)
			return
		}
		t.sent, t.left, t.rights = t.sent+n, t.left.from(n), nil
	}
}

func sendmsg(fd int, f outgoing, rights []byte) (n int, err error) {
	const flags = unix.MSG_NOSIGNAL | unix.MSG_DONTWAIT
	switch {
	case len(f.last) == 0:
		return unix.SendmsgN(fd, f.first, rights, nil, flags)
	case len(f.first) == 0:
		return unix.SendmsgN(fd, f.last, rights, nil, flags)
	}
	return unix.SendmsgBuffers(fd, [][]byte{f.first, f.last}, rights, nil, flags)
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

// TooLargeError says that a message is above what the other side reads.
type TooLargeError struct {
	Size, Max int // bytes
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("a message of %d bytes, the limit is %d: pass a File for larger data", e.Size, e.Max)
}
