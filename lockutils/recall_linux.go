package lockutils

import (
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// parked is a thread that waits in the kernel for a lock on a descriptor, and the way to call it back. Closing the
// descriptor does not wake it. A signal alone does not either: Go's handlers restart the call that they interrupt. But
// a restarted call looks its descriptor up anew, and if that has become one on which nothing can be locked, it fails. The
// signal is SIGURG, by which Go's runtime interrupts its own threads, and which it takes from anybody.
//
// Where a program ignores SIGURG the thread stays until the lock is free, and gets nothing then: the description that it
// waits with was closed.
type parked struct {
	mu       sync.Mutex
	thread   int // 0 for none
	fd       int
	recalled bool
}

// wait makes a call, or several, that may block for a lock on fd. It returns errRecalled if recall was called before or
// meanwhile: fd is to be closed then, and nothing is held of it.
func (p *parked) wait(fd int, call func() error) error {
	runtime.LockOSThread() // or another thread might be signalled than the one that blocks
	defer runtime.UnlockOSThread()
	p.mu.Lock()
	if p.recalled {
		p.mu.Unlock()
		return errRecalled
	}
	p.thread, p.fd = unix.Gettid(), fd
	p.mu.Unlock()
	err := call()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.thread = 0
	if p.recalled {
		return errRecalled
	}
	return err
}

// recall ends a wait that runs or is about to. Where it fails, for want of a descriptor, the wait goes on.
func (p *parked) recall() {
	p.mu.Lock() // and while it is held fd is not closed, and its number nobody else's
	defer p.mu.Unlock()
	if p.thread != 0 {
		// Every call for a lock on an O_PATH descriptor fails with EBADF, open(2).
		nothing, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return
		}
		err = unix.Dup3(nothing, p.fd, unix.O_CLOEXEC)
		unix.Close(nothing)
		if err != nil {
			return
		}
		_ = unix.Tgkill(os.Getpid(), p.thread, unix.SIGURG) // it lives, and waits: see wait
	}
	p.recalled = true
}
