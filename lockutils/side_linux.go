package lockutils

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// side is a file beside a lock file: its bytes are locked one by one, and it keeps some data. Calls of one side by
// several goroutines are safe, and Close while another is blocked in it takes effect when that returns.
type side struct{ *os.File }

// openSide opens the side file of the lock file at path, and makes it with mode where there is none.
func openSide(path string, mode fs.FileMode) (side, error) {
	name, err := sideFile(path)
	if err != nil {
		return side{}, err
	}
	fd, err := openFile(name, mode, false)
	if err != nil {
		return side{}, &FileError{Path: name, Err: err}
	}
	if err := unix.SetNonblock(fd, false); err != nil { // or os.File would ask the poller about it
		return side{}, errors.Join(&FileError{Path: name, Err: err}, unix.Close(fd))
	}
	return side{os.NewFile(uintptr(fd), name)}, nil
}

// current reports whether the side file's path still names it.
func (s side) current() (bool, error) {
	open, err := s.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Lstat(s.Name())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(open, named), err
}

// record locks bytes, or unlocks them: of this description alone, so that a process dies out of the line by dying.
func (s side) record(kind int16, start, length int64) error {
	return s.fcntl(func(fd int) error { return recordCall(fd, unix.F_OFD_SETLK, kind, start, length) })
}

// waitRecord is record that waits, until p is called back: then the side file is good for being closed only.
func (s side) waitRecord(p *parked, kind int16, start, length int64) error {
	return s.fcntl(func(fd int) error {
		return p.wait(fd, func() error { return recordCall(fd, unix.F_OFD_SETLKW, kind, start, length) })
	})
}

func recordCall(fd, cmd int, kind int16, start, length int64) error {
	l := unix.Flock_t{Type: kind, Start: start, Len: length}
	err := retry(func() error { return unix.FcntlFlock(uintptr(fd), cmd, &l) })
	return os.NewSyscallError("fcntl lock", err)
}

func (s side) fcntl(call func(fd int) error) error {
	raw, err := s.SyscallConn()
	if err != nil {
		return err
	}
	called := raw.Control(func(fd uintptr) { err = call(int(fd)) })
	return errors.Join(called, err)
}

// lockByte locks one byte of a side file, and waits for it until ctx ends; then the side file is to be closed. One thread
// at most waits for a byte: others of this Set wait for it to be through.
func (s *Set) lockByte(ctx context.Context, f side, kind int16, at int64) error {
	err := f.record(kind, at, 1)
	if !taken(err) {
		return err
	}
	waiting, err := s.bytes.Lock(ctx, fmt.Sprint(at, f.Name()))
	if err != nil {
		return ended(ctx)
	}
	locked := make(chan error, 1)
	var thread parked
	go func() {
		err := f.waitRecord(&thread, kind, at, 1)
		locked <- errors.Join(err, waiting.Unlock())
	}()
	select {
	case err := <-locked:
		return err
	case <-ctx.Done():
		thread.recall()
		return ended(ctx)
	}
}

// taken reports whether an error of record says that somebody else has the bytes.
func taken(err error) bool { return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) }

// sideFile is the path of what is kept beside the lock file at path: a file of the same name, in a folder that is made
// here with the mode of the folder around it. Unlike lock files, side files are written, so that folder must be ours or
// root's also where the one around it is shared.
func sideFile(path string) (string, error) {
	dir := filepath.Join(filepath.Dir(path), sideFolder)
	var st unix.Stat_t
	err := unix.Lstat(dir, &st)
	if err == unix.ENOENT {
		if err = makeSideFolder(dir); err == nil {
			err = unix.Lstat(dir, &st)
		}
	}
	switch {
	case err != nil:
		return "", &FileError{Path: dir, Err: err}
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return "", &FolderError{Path: dir, Reason: "is no folder"}
	case st.Uid != 0 && int(st.Uid) != os.Geteuid():
		return "", &FolderError{Path: dir, Reason: fmt.Sprintf("belongs to uid %d: remove it, and make it as root", st.Uid)}
	}
	return filepath.Join(dir, filepath.Base(path)), nil
}

func makeSideFolder(dir string) error {
	around, err := os.Stat(filepath.Dir(dir))
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		if errors.Is(err, os.ErrExist) {
			return nil
		}
		return err
	}
	return os.Chmod(dir, around.Mode()&(os.ModePerm|os.ModeSticky))
}
