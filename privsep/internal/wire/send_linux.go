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
		go func() {
			_, _ = c.write(context.Background(), rest, nil)
			c.doneWriting()
		}()
		return true, ctx.Err()
	}
	c.doneWriting()
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return sent > 0, err
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

// doneWriting gives the right to write on.
func (c *Conn) doneWriting() {
	if cap(c.out.Buf) > maxIdleOut {
		c.out.Buf = nil
	}
	c.writing <- struct{}{}
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
	stop := c.wakeWriterAt(ctx)
	defer stop()
	c.tx = transmission{left: f, rights: rights}
	err = c.raw.Write(c.push)
	t := c.tx
	c.tx = transmission{} // an idle connection keeps no reply
	if err == nil {
		err = t.err
	}
	return t.sent, err
}

// A transmission is a frame on its way into the socket.
type transmission struct {
	left   outgoing
	rights []byte
	sent   int
	err    error
}

// push writes until all is sent or there is no more room, which it reports by false.
func (t *transmission) push(fd uintptr) bool {
	for len(t.left.first)+len(t.left.last) > 0 {
		n, err := sendmsg(int(fd), t.left, t.rights)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return false
		case err != nil:
			t.err = os.NewSyscallError("sendmsg", err)
			return true
		}
		t.sent, t.left, t.rights = t.sent+n, t.left.from(n), nil
	}
	return true
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

var longAgo = time.Unix(1, 0)

// TooLargeError says that a message is above what the other side reads.
type TooLargeError struct {
	Size, Max int // bytes
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("a message of %d bytes, the limit is %d: pass a File for larger data", e.Size, e.Max)
}
