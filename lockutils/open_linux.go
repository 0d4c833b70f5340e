package lockutils

import (
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// openFile opens a lock file, and makes it if there is none. It follows no link, waits for no FIFO's other end, and
// takes no terminal. The file may be another user's, if its mode lets us write it; to share a lock, reading is enough.
//
// It opens before it creates: with O_CREAT, fs.protected_regular refuses files of others in folders like /tmp.
func openFile(path string, mode fs.FileMode, shared bool) (int, error) {
	const flags = unix.O_CLOEXEC | unix.O_NOCTTY | unix.O_NOFOLLOW | unix.O_NONBLOCK
	perm := uint32(mode.Perm())
	if perm == 0 {
		perm = 0o600
	}
	for {
		fd, err := unix.Open(path, flags|unix.O_RDWR, 0)
		if shared && (err == unix.EACCES || err == unix.EROFS) {
			fd, err = unix.Open(path, flags|unix.O_RDONLY, 0)
		}
		if err == unix.ENOENT {
			fd, err = unix.Open(path, flags|unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, perm)
			if err == nil && mode != 0 {
				if err := unix.Fchmod(fd, perm); err != nil {
					unix.Close(fd)
					return -1, os.NewSyscallError("chmod", err)
				}
			}
		}
		switch err {
		case nil:
			return fd, nil
		case unix.EINTR, unix.EEXIST:
			// Somebody made it in between: open that.
		case unix.EAGAIN:
			// Remove holds a lease on it for some microseconds. Opening without O_NONBLOCK waits for that, and can wait for
			// nothing else: only regular files have leases, and O_PATH asks for none.
			if err := waitForLease(path); err != nil {
				return -1, err
			}
		case unix.ELOOP:
			return -1, fmt.Errorf("%w but a symbolic link", ErrNotRegular)
		case unix.EISDIR:
			return -1, kindError(unix.S_IFDIR)
		case unix.ENXIO, unix.ENODEV:
			return -1, fmt.Errorf("%w but a socket or device (%v)", ErrNotRegular, err)
		default:
			return -1, os.NewSyscallError("open", err)
		}
	}
}

// waitForLease blocks until nobody has a lease on the file at path, which is what open(2) does to regular files.
func waitForLease(path string) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil // it is another file by now
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NOCTTY, 0)
	if err == nil {
		unix.Close(fd)
	}
	if err == unix.EACCES {
		return os.NewSyscallError("open", err)
	}
	return nil
}

func kindError(mode uint32) error {
	kinds := map[uint32]string{
		unix.S_IFDIR: "folder", unix.S_IFIFO: "FIFO", unix.S_IFSOCK: "socket", unix.S_IFCHR: "device", unix.S_IFBLK: "device",
	}
	return fmt.Errorf("%w but a %s", ErrNotRegular, kinds[mode&unix.S_IFMT])
}
