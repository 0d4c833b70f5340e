package fence

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// The bytes of a lock file: the first is held by who looks at the number, the byte of a token by all of its acts. The locks
// are open file descriptions', which exclude each other in one process too, and end with it.
const number = 0

type mode = int16

const (
	shared    mode = unix.F_RDLCK
	exclusive mode = unix.F_WRLCK
)

// openLock opens the lock file for one act.
func (f *fence) openLock() (*os.File, error) {
	path := f.dir.Name() + "/" + f.lockName()
	fd, err := unix.Openat(int(f.dir.Fd()), f.lockName(), unix.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// take locks a byte if that can be at once.
func take(lock *os.File, at int64, m mode) (bool, error) {
	err := record(lock, unix.F_OFD_SETLK, &unix.Flock_t{Type: m, Start: at, Len: 1})
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return false, nil
	}
	return err == nil, err
}

func release(lock *os.File, at int64) error {
	return record(lock, unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_UNLCK, Start: at, Len: 1})
}

// alone reports whether no token below has an act. It asks for a lock on all their bytes, and takes none.
func alone(lock *os.File, token int64) (bool, error) {
	if token == 1 {
		return true, nil
	}
	l := unix.Flock_t{Type: unix.F_WRLCK, Start: 1, Len: token - 1}
	err := record(lock, unix.F_OFD_GETLK, &l)
	return l.Type == unix.F_UNLCK, err
}

// leave gives all bytes back and closes the file. Only to close it would leave them to a child of ours that was forked and
// has not executed its program yet.
func leave(lock *os.File) error {
	return errors.Join(record(lock, unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_UNLCK}), lock.Close())
}

func record(lock *os.File, command int, l *unix.Flock_t) error {
	for {
		err := unix.FcntlFlock(lock.Fd(), command, l)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return &fs.PathError{Op: "lock", Path: lock.Name(), Err: err}
		}
		return nil
	}
}
