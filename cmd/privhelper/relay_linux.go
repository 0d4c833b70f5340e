package main

import (
	"bytes"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// show copies what the command writes to the caller's terminal until everybody has closed the pty or, what it has left
// behind notwithstanding, until the command has ended and all that it wrote is shown. A terminal that takes nothing any
// more does not stop the command: its SIGHUP will, if it wants to be stopped.
func (t *terminal) show() {
	defer t.output.Done()
	master := int(t.master.Fd())
	buffer := make([]byte, 16<<10)
	for timeout := -1; ; {
		// Asked about a pty, poll sees to it that what was written before the question can be read.
		ready := []unix.PollFd{{Fd: int32(master), Events: unix.POLLIN}, {Fd: int32(t.seesEnded.Fd()), Events: unix.POLLIN}}
		if _, err := unix.Poll(ready, timeout); errors.Is(err, unix.EINTR) {
			continue
		} else if err != nil {
			return
		}
		switch {
		case ready[0].Revents&unix.POLLIN != 0:
			n, err := unix.Read(master, buffer)
			if n > 0 {
				_ = writeAll(t.user, t.unpacked(buffer[:n]))
			} else if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
				return
			}
		case ready[0].Revents != 0 || timeout == 0:
			return
		default:
			timeout = 0 // it has ended, perhaps after the pty had answered: once more
		}
	}
}

// glance is how often is looked for what no event tells: that a shell has brought us to the foreground (bash sends a job that
// runs no signal), or that whom it is for has read what was typed.
const glance = 100 * time.Millisecond

// read copies what is typed to the command until the terminal is gone. It ends with the process.
func (t *terminal) read() {
	buffer := make([]byte, 4<<10)
	for {
		// Waiting by poll is no access; a read in the background would stop us, SIGTTIN.
		ready := []unix.PollFd{{Fd: int32(t.keys), Events: unix.POLLIN}}
		timeout := -1
		if t.mayTake() {
			timeout = int(glance / time.Millisecond)
		}
		if _, err := unix.Poll(ready, timeout); errors.Is(err, unix.EINTR) {
			continue
		} else if err != nil {
			return
		}
		t.take()
		if !t.foreground() || !t.ours() {
			time.Sleep(glance)
			continue
		}
		if ready[0].Revents == 0 {
			continue
		}
		n, err := unix.Read(t.keys, buffer)
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) {
			continue
		}
		if n == 0 && ready[0].Revents&unix.POLLHUP == 0 && t.shared { // ^D, of a terminal that edits lines
			n, buffer[0] = 1, t.first.Cc[unix.VEOF]
		}
		typed, suspend := t.untilSuspend(buffer[:max(n, 0)])
		if n <= 0 || writeAll(int(t.master.Fd()), typed) != nil {
			return
		}
		if suspend {
			t.suspend()
		}
	}
}

// untilSuspend cuts what was typed off before the key that suspends, where that is ours to act on: the command leads a
// session of its own, in which the kernel stops nobody for it. What follows the key is dropped, as it is by a terminal.
func (t *terminal) untilSuspend(typed []byte) (before []byte, suspend bool) {
	if t.suspend == nil {
		return typed, false
	}
	settings, err := unix.IoctlGetTermios(int(t.master.Fd()), unix.TCGETS) // what the command has made of it
	if err != nil || settings.Lflag&unix.ISIG == 0 || settings.Cc[unix.VSUSP] == 0 {
		return typed, false
	}
	before, _, suspend = bytes.Cut(typed, settings.Cc[unix.VSUSP:unix.VSUSP+1])
	return before, suspend
}

func writeAll(fd int, p []byte) error {
	for len(p) > 0 {
		n, err := unix.Write(fd, p)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.EAGAIN) { // whoever shares the terminal has made it so
			if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, -1); err != nil && !errors.Is(err, unix.EINTR) {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}
