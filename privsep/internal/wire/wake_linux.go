package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrWaited says that a wait ended because its context did.
var ErrWaited = errors.New("the context of a wait has ended")

// A waker is an eventfd(2): it ends a poll(2) of another goroutine, in which nothing else could.
type waker struct {
	file *os.File
	raw  syscall.RawConn
}

func newWaker() (*waker, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	w := &waker{file: os.NewFile(uintptr(fd), "eventfd")}
	if w.raw, err = w.file.SyscallConn(); err != nil {
		w.file.Close()
		return nil, err
	}
	return w, nil
}

func (w *waker) close() { w.file.Close() }

// at wakes when ctx ends. What it returns ends that, and makes the waker what it was; it must be called before the next at.
func (w *waker) at(ctx context.Context) (stop func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	woken := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		_, _ = w.file.Write(binary.NativeEndian.AppendUint64(nil, 1))
		close(woken)
	})
	return func() {
		if !cancel() {
			<-woken
			_, _ = w.file.Read(make([]byte, 8))
		}
	}
}

// wait returns when the socket is ready for events or the connection has ended, with ErrWaited when at's context has.
func (w *waker) wait(socket uintptr, events int16) (err error) {
	cerr := w.raw.Control(func(event uintptr) {
		fds := [...]unix.PollFd{{Fd: int32(event), Events: unix.POLLIN}, {Fd: int32(socket), Events: events}}
		for {
			_, err = unix.Poll(fds[:], -1)
			if err != unix.EINTR {
				break
			}
		}
		if err == nil && fds[0].Revents != 0 {
			err = ErrWaited
		}
	})
	if cerr != nil {
		return cerr
	}
	return err
}

// wakeReader makes a wait of Receive end with ctx, until stop is called.
func (c *Conn) wakeReader(ctx context.Context) (stop func()) {
	c.rx.wake = c.wake
	still := c.wake.at(ctx)
	return func() {
		still()
		c.rx.wake = nil
	}
}
