package trust

import (
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Open opens a file of configuration or policy for reading. It must be a regular file; it, every folder above it, each
// link and every folder above that must satisfy the rules, and no folder may be one that others write, sticky or not.
// A FIFO or device is refused before it is opened. Errors are *Error, or *fs.PathError with the kernel's.
func Open(path string, rules Rules) (*os.File, error) {
	at, err := walk(path, &rules, forPolicy)
	if err != nil {
		return nil, err
	}
	defer unix.Close(at.fd)
	if at.stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, &Error{Path: path, Reason: "is " + kindOf(uint32(at.stat.Mode)) + ", not a regular file"}
	}
	return at.reopen(unix.O_RDONLY)
}

// A Dir is an open folder of policy files that satisfies the rules, as does every folder above it.
type Dir struct {
	*os.File
	Path   string // without links
	walker *walker
}

// OpenDir opens a folder by the rules of Open.
func OpenDir(path string, rules Rules) (*Dir, error) {
	at, err := walk(path, &rules, forPolicy)
	if err != nil {
		return nil, err
	}
	defer unix.Close(at.fd)
	if at.stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil, &Error{Path: path, Reason: "is " + kindOf(uint32(at.stat.Mode)) + ", not a folder"}
	}
	d := &Dir{Path: at.path}
	if d.walker, err = newWalker(&rules, forPolicy); err != nil {
		return nil, err
	}
	d.File, err = at.reopen(unix.O_RDONLY | unix.O_DIRECTORY)
	return d, err
}

// Open opens a file of the folder as the function Open does. The folders above it are not judged again.
func (d *Dir) Open(name string) (*os.File, error) {
	at := opened{path: strings.TrimSuffix(d.Path, "/") + "/" + name}
	dir := int(d.Fd())
	if err := unix.Fstatat(dir, name, &at.stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: at.path, Err: err}
	}
	switch at.stat.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		return Open(at.path, *d.walker.rules)
	case unix.S_IFREG:
	default:
		return nil, &Error{Path: at.path, Reason: "is " + kindOf(uint32(at.stat.Mode)) + ", not a regular file"}
	}
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: at.path, Err: err}
	}
	f, err := at.confirm(fd)
	if err != nil {
		return nil, err
	}
	at.fd = fd
	if err := d.walker.check(&at, true); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// Executable returns path without links if it is a regular file with an x bit that only those whom the rules name can
// change, by themselves or by a folder or link on the way. A sticky folder such as /tmp may stand above it if what
// follows is root's own. Nothing is kept open: where the whole chain is root's alone, the path is as good as a
// descriptor. The error satisfies errors.Is(err, fs.ErrNotExist) where there is no such file.
func Executable(path string, rules Rules) (string, error) {
	at, err := walk(path, &rules, forExecuting)
	if err != nil {
		return "", err
	}
	defer unix.Close(at.fd)
	if at.stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return "", &Error{Path: path, Reason: "is " + kindOf(uint32(at.stat.Mode)) + ", not a program"}
	}
	if at.stat.Mode&0o111 == 0 {
		return "", &Error{Path: path, Reason: "is not executable", Advice: "run chmod +x " + path}
	}
	return at.path, nil
}

// Pin opens path for nothing but its identity (O_PATH): what a launcher hands to a helper in a user namespace. A regular
// file with an x bit must pass as it must for Executable, anything else as for Open. While it is held open, no other
// file can have its device and inode.
func Pin(path string, rules Rules) (*os.File, error) {
	at, err := walk(path, &rules, forExecuting)
	if err != nil {
		return nil, err
	}
	if at.stat.Mode&unix.S_IFMT != unix.S_IFREG || at.stat.Mode&0o111 == 0 {
		_ = unix.Close(at.fd)
		if at, err = walk(path, &rules, forPolicy); err != nil {
			return nil, err
		}
	}
	return os.NewFile(uintptr(at.fd), at.path), nil
}

// reopen opens a checked file for reading. The name goes through /proc, as an O_PATH descriptor cannot be read; that
// the same file came out is looked at, not believed.
func (at *opened) reopen(flags int) (*os.File, error) {
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", at.fd), flags|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: at.path, Err: err}
	}
	return at.confirm(fd)
}

// confirm makes a file of fd if it is what was looked at before, and closes it otherwise.
func (at *opened) confirm(fd int) (*os.File, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Dev != at.stat.Dev || st.Ino != at.stat.Ino {
		_ = unix.Close(fd)
		return nil, &Error{Path: at.path, Reason: "changed while it was opened"}
	}
	at.stat = st
	return os.NewFile(uintptr(fd), at.path), nil
}

func kindOf(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return "a folder"
	case unix.S_IFIFO:
		return "a FIFO"
	case unix.S_IFCHR, unix.S_IFBLK:
		return "a device"
	case unix.S_IFSOCK:
		return "a socket"
	case unix.S_IFREG:
		return "a regular file"
	}
	return "something else"
}
