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
	path   string
	mode   fs.FileMode
	lock   *flock.Flock
	parked parked
}

func openFlock(path string, mode fs.FileMode) (grip, error) {
	flags := flock.SetFlag(unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NOCTTY | unix.O_NOFOLLOW | unix.O_NONBLOCK)
	f := &single{path: path, mode: mode, lock: flock.New(path, flags)}
	// The file is made with the right mode, and its kind looked at, before gofrs/flock opens it.
	own, err := f.open()
	if err != nil {
		return nil, err
	}
	return f, own.close()
}

// open opens the file by a descriptor of our own.
func (f *single) open() (*both, error) {
	fd, err := openFile(f.path, f.mode, true)
	if err != nil {
		return nil, f.failed(err)
	}
	own := &both{path: f.path, fd: fd}
	if err := own.regular(); err != nil {
		return nil, errors.Join(err, own.close())
	}
	return own, nil
}

func (f *single) try(shared bool) (got bool, err error) {
	for {
		if shared {
			got, err = f.lock.TryRLock()
		} else {
			got, err = f.lock.TryLock()
		}
		if !isNotExist(err) {
			return got, f.failed(err)
		}
		// Somebody removed the file after it was made.
		own, err := f.open()
		if err == nil {
			err = own.close()
		}
		if err != nil {
			return false, err
		}
	}
}

// wait blocks by a descriptor of our own, because gofrs/flock's cannot be called back, and tries when that has come.
func (f *single) wait(shared bool) error {
	for {
		if got, err := f.try(shared); got || err != nil {
			return err
		}
		own, err := f.open()
		if err != nil {
			return err
		}
		err = f.parked.wait(own.fd, func() error {
			_, err := own.flock(shared, true)
			return err
		})
		if closing := own.close(); err == nil {
			err = closing
		}
		if err != nil {
			return err
		}
	}
}

func (f *single) recall() { f.parked.recall() }

func (f *single) failed(err error) error {
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
	return open == fileID{uint64(named.Dev), named.Ino}, f.failed(err)
}

func (f *single) id() (fileID, error) {
	info, err := f.lock.Stat()
	if err != nil {
		return fileID{}, f.failed(err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileID{}, f.failed(errors.ErrUnsupported)
	}
	return fileID{uint64(st.Dev), st.Ino}, nil
}

func (f *single) duplicate() (*os.File, error) { return nil, errors.ErrUnsupported }

func (f *single) release() error { return f.failed(f.lock.Unlock()) }

func (f *single) close() error { return f.release() }
