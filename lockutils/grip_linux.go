package lockutils

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// both holds a file by both mechanisms of the kernel: an open file description lock, which excludes the record locks of
// Python, and flock(2). Neither is ever waited for while the other is held: a holder that runs flock(1) on the same file
// would wait for us, and we for it.
type both struct {
	path    string
	fd      int
	network bool // both are one there, and would exclude each other
	file    fileID
	parked  parked
}

func openBoth(path string, mode fs.FileMode, shared, network bool) (grip, error) {
	fd, err := openFile(path, mode, shared)
	if err != nil {
		return nil, &FileError{Path: path, Err: err}
	}
	return &both{path: path, fd: fd, network: network}, nil
}

func (b *both) try(shared bool) (bool, error) {
	got, err := b.record(shared, false)
	if err != nil || !got || b.network {
		return got, err
	}
	if got, err = b.flock(shared, false); got {
		return true, nil
	}
	if unlocking := b.unrecord(); err == nil {
		err = unlocking
	}
	return false, err
}

func (b *both) wait(shared bool) error {
	if err := b.regular(); err != nil {
		return err
	}
	return b.parked.wait(b.fd, func() error { return b.block(shared) })
}

func (b *both) recall() { b.parked.recall() }

func (b *both) block(shared bool) error {
	for {
		if _, err := b.record(shared, true); err != nil || b.network {
			return err
		}
		if got, err := b.flock(shared, false); got || err != nil {
			return err
		}
		if err := b.unrecord(); err != nil {
			return err
		}
		if _, err := b.flock(shared, true); err != nil {
			return err
		}
		if got, err := b.record(shared, false); got || err != nil {
			return err
		}
		if err := b.unflock(); err != nil {
			return err
		}
	}
}

// current looks at the open file and at the path, and so learns also what kind of file it is.
func (b *both) current() (bool, error) {
	if err := b.regular(); err != nil {
		return false, err
	}
	var named unix.Stat_t
	err := retry(func() error { return unix.Lstat(b.path, &named) })
	if err == unix.ENOENT {
		return false, nil
	}
	if err != nil {
		return false, b.failed("stat", err)
	}
	return b.file == fileID{uint64(named.Dev), named.Ino}, nil
}

func (b *both) id() (fileID, error) {
	if b.file == (fileID{}) {
		if err := b.regular(); err != nil {
			return fileID{}, err
		}
	}
	return b.file, nil
}

func (b *both) regular() error {
	var open unix.Stat_t
	if err := retry(func() error { return unix.Fstat(b.fd, &open) }); err != nil {
		return b.failed("fstat", err)
	}
	if open.Mode&unix.S_IFMT != unix.S_IFREG {
		return &FileError{Path: b.path, Err: kindError(open.Mode)}
	}
	b.file = fileID{uint64(open.Dev), open.Ino}
	return nil
}

func (b *both) duplicate() (*os.File, error) {
	fd, err := unix.FcntlInt(uintptr(b.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, b.failed("dup", err)
	}
	return os.NewFile(uintptr(fd), b.path), nil
}

// release unlocks by name before it closes: a child that was forked in this moment has the description until it
// executes. flock(2) goes first, because most who wait do so for the record lock and then find flock(2) free.
func (b *both) release() error {
	var err error
	if !b.network {
		err = b.unflock()
	}
	if unlocking := b.unrecord(); err == nil {
		err = unlocking
	}
	if closing := b.close(); err == nil {
		err = closing
	}
	return err
}

func (b *both) close() error {
	if err := unix.Close(b.fd); err != nil && err != unix.EINTR { // closed all the same, close(2)
		return b.failed("close", err)
	}
	return nil
}

func (b *both) record(shared, wait bool) (bool, error) {
	l := unix.Flock_t{Type: unix.F_WRLCK}
	if shared {
		l.Type = unix.F_RDLCK
	}
	cmd := unix.F_OFD_SETLK
	if wait {
		cmd = unix.F_OFD_SETLKW
	}
	switch err := retry(func() error { return unix.FcntlFlock(uintptr(b.fd), cmd, &l) }); err {
	case nil:
		return true, nil
	case unix.EAGAIN, unix.EACCES:
		return false, nil
	default:
		return false, b.failed("fcntl lock", err)
	}
}

func (b *both) unrecord() error {
	l := unix.Flock_t{Type: unix.F_UNLCK}
	if err := retry(func() error { return unix.FcntlFlock(uintptr(b.fd), unix.F_OFD_SETLK, &l) }); err != nil {
		return b.failed("fcntl unlock", err)
	}
	return nil
}

func (b *both) flock(shared, wait bool) (bool, error) {
	how := unix.LOCK_EX
	if shared {
		how = unix.LOCK_SH
	}
	if !wait {
		how |= unix.LOCK_NB
	}
	switch err := retry(func() error { return unix.Flock(b.fd, how) }); err {
	case nil:
		return true, nil
	case unix.EWOULDBLOCK:
		return false, nil
	default:
		return false, b.failed("flock", err)
	}
}

func (b *both) unflock() error {
	if err := retry(func() error { return unix.Flock(b.fd, unix.LOCK_UN) }); err != nil {
		return b.failed("flock unlock", err)
	}
	return nil
}

func (b *both) failed(what string, err error) error {
	return &FileError{Path: b.path, Err: os.NewSyscallError(what, err)}
}

// retry repeats a system call that a signal interrupted. Go's own signals restart most, and not all.
func retry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}
