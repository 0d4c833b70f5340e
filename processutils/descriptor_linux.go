package processutils

import (
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// descriptor is a pipe's end of ours, or the pidfd of the command. It is waited for directly as long as a short command
// may take, and by Go's poller then, so that a long one holds no thread and every wait can be given up.
type descriptor struct {
	fd int

	mu    sync.Mutex
	file  *os.File // once it is in the poller
	given bool     // up
}

// ready reports whether there is something to read, or an end, now or within so many milliseconds.
func (d *descriptor) ready(milliseconds int) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(d.fd), Events: unix.POLLIN}}, milliseconds)
	return n == 1 && err == nil
}

// number is the descriptor, or -1 where there is none.
func (d *descriptor) number() int32 {
	if d == nil {
		return -1
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return int32(d.fd)
}

// read reads what is there; where reading was given up or the descriptor closed, that is the end. It is for one that is
// ready, or it would hold up giveUp.
func (d *descriptor) read(buf []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.given {
		return 0, nil
	}
	return unix.Read(d.fd, buf)
}

// poll gives the descriptor to Go's poller; nil where waiting was given up.
func (d *descriptor) poll() *os.File {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.file == nil && !d.given && unix.SetNonblock(d.fd, true) == nil { // or it would not be polled
		d.file = os.NewFile(uintptr(d.fd), "descriptor")
	}
	return d.file
}

// giveUp ends every wait.
func (d *descriptor) giveUp() {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.given = true
	if d.file != nil {
		d.file.SetDeadline(time.Now())
	}
}

// close closes it, once.
func (d *descriptor) close() {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.given = true
	switch {
	case d.file != nil:
		d.file.Close()
	case d.fd >= 0:
		unix.Close(d.fd)
	}
	d.fd = -1
}

// waitDead waits until the process of a pidfd can be reaped, and reports whether it can: not, after giveUp.
func (d *descriptor) waitDead() bool {
	if d.ready(shortCommand) { // who has closed its streams is about to end, nearly always
		return true
	}
	file := d.poll()
	if file == nil {
		return d.ready(0)
	}
	conn, err := file.SyscallConn()
	if err != nil {
		return false
	}
	return conn.Read(func(uintptr) bool { return d.ready(0) }) == nil
}
