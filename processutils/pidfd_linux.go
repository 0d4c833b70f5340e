package processutils

import (
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// pidfd is the main process's, for waiting without reaping it.
type pidfd struct {
	fd int

	mu    sync.Mutex
	file  *os.File // in Go's poller, so that no thread waits and the wait can be given up; nil where nobody had to
	given bool
}

// dead reports whether the process can be reaped, now or within so many milliseconds.
func (p *pidfd) dead(milliseconds int) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}, milliseconds)
	return n == 1 && err == nil
}

// wait waits until the process can be reaped, and reports whether it can: not, after giveUp.
func (p *pidfd) wait() bool {
	if p.dead(1) { // who has closed its streams is about to end, nearly always
		return true
	}
	file := p.poll()
	if file == nil {
		return p.dead(0)
	}
	conn, err := file.SyscallConn()
	if err != nil {
		return false
	}
	err = conn.Read(func(uintptr) bool { return p.dead(0) })
	return err == nil
}

// poll gives the descriptor to Go's poller; nil when waiting was given up.
func (p *pidfd) poll() *os.File {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file == nil && !p.given && unix.SetNonblock(p.fd, true) == nil { // or it would not be polled
		p.file = os.NewFile(uintptr(p.fd), "pidfd")
	}
	return p.file
}

// giveUp ends the wait.
func (p *pidfd) giveUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.given = true
	if p.file != nil {
		p.file.SetReadDeadline(time.Now())
	}
}

func (p *pidfd) close() {
	if p.file != nil {
		p.file.Close()
		return
	}
	unix.Close(p.fd)
}
