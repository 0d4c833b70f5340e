package lockutils

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"
)

// single holds a file by flock(2) alone, through gofrs/flock. That opens by path when it first locks and keeps the
// descriptor to itself, so such a lock is not handed to children.
type single struct {
	path string
	lock *flock.Flock
}

func openFlock(path string, mode fs.FileMode) (grip, error) {
	// openFile makes the file with the right mode, and looks at what kind it is, before gofrs/flock opens it.
	fd, err := openFile(path, mode, true)
	if err != nil {
		return nil, &FileError{Path: path, Err: err}
	}
	if err := (&both{path: path, fd: fd}).regular(); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	if err := unix.Close(fd); err != nil && err != unix.EINTR {
		return nil, &FileError{Path: path, Err: os.NewSyscallError("close", err)}
	}
	flags := flock.SetFlag(unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NOCTTY | unix.O_NOFOLLOW | unix.O_NONBLOCK)
	return &single{path: path, lock: flock.New(path, flags)}, nil
}

func (f *single) try(shared bool) (got bool, err error) {
	if shared {
		got, err = f.lock.TryRLock()
	} else {
		got, err = f.lock.TryLock()
	}
	return got, f.vanished(err)
}

func (f *single) wait(shared bool) error {
	if shared {
		return f.vanished(f.lock.RLock())
	}
	return f.vanished(f.lock.Lock())
}

// vanished wraps an error of gofrs/flock, which has the file's name.
func (f *single) vanished(err error) error {
	if err == nil {
		return nil
	}
	return &FileError{Path: f.path, Err: err}
}

func (f *single) current() (bool, error) {
	open, err := f.id()
	if err != nil {
		return false, err
	}
	var named unix.Stat_t
	err = unix.Lstat(f.path, &named)
	if err == unix.ENOENT {
		return false, nil
	}
	return open == fileID{uint64(named.Dev), named.Ino}, f.vanished(err)
}

func (f *single) id() (fileID, error) {
	info, err := f.lock.Stat()
	if err != nil {
		return fileID{}, f.vanished(err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileID{}, f.vanished(errors.ErrUnsupported)
	}
	return fileID{uint64(st.Dev), st.Ino}, nil
}

func (f *single) duplicate() (*os.File, error) { return nil, errors.ErrUnsupported }

func (f *single) release() error { return f.vanished(f.lock.Unlock()) }

func (f *single) close() error { return f.release() }
