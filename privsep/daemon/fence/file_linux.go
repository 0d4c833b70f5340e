package fence

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/trust"
)

// A fence bridge has two files: `bridge` holds the number, and `.bridge.lock` the locks, because the number is replaced by
// a new file each time that it rises. `.bridge.new` is the next one, as long as it is being written.

func (f *fence) lockName() string { return "." + f.name + ".lock" }
func (f *fence) path() string     { return f.dir.Name() + "/" + f.name }

// openFolder makes and opens the folder, and refuses one that another than root or the owner could write. In a folder that
// the owner could not write, files could not be replaced later.
func openFolder(opt Options, own Owner) (*os.File, error) {
	made := errors.Is(unix.Access(opt.Path, unix.F_OK), unix.ENOENT)
	if made {
		if err := os.MkdirAll(opt.Path, 0o700); err != nil {
			return nil, err
		}
	}
	rules := opt.Rules
	rules.Owners = append([]uint32{own.UID, opt.Owner.UID}, rules.Owners...)
	dir, err := trust.OpenDir(opt.Path, rules)
	if err != nil {
		return nil, err
	}
	if made && *opt.Owner != own {
		err = dir.Chown(int(opt.Owner.UID), int(opt.Owner.GID))
	}
	var st unix.Stat_t
	if err == nil {
		err = os.NewSyscallError("fstat", unix.Fstat(int(dir.Fd()), &st))
	}
	if err == nil && st.Uid != opt.Owner.UID {
		err = fmt.Errorf("%s belongs to uid %d: run chown %d %s, who replaces files there", opt.Path, st.Uid, opt.Owner.UID, opt.Path)
	}
	if err == nil && st.Mode&0o022 != 0 {
		err = fmt.Errorf("%s is writable by others than uid %d: run chmod go-w %s", opt.Path, st.Uid, opt.Path)
	}
	if err != nil {
		dir.Close()
		return nil, err
	}
	return dir.File, nil
}

// make makes the files of fences that were never used. One that has its lock file was: where the number is missing then,
// somebody has removed it, and to begin with 0 again would let everybody in.
func (f *Fences) make(owner Owner) error {
	if err := unix.Flock(int(f.dir.Fd()), unix.LOCK_EX); err != nil {
		return os.NewSyscallError("flock", err)
	}
	defer unix.Flock(int(f.dir.Fd()), unix.LOCK_UN)
	for _, one := range f.all {
		if err := unix.Faccessat(int(f.dir.Fd()), one.lockName(), unix.F_OK, unix.AT_SYMLINK_NOFOLLOW); !errors.Is(err, unix.ENOENT) {
			if err != nil {
				return &fs.PathError{Op: "access", Path: one.path(), Err: err}
			}
			continue
		}
		_, err := one.read()
		if errors.Is(err, fs.ErrNotExist) {
			err = one.writeAs(0, &owner)
		}
		if err != nil {
			return err
		}
		lock, err := one.create(one.lockName(), unix.O_EXCL, &owner)
		if err != nil {
			return err
		}
		lock.Close()
	}
	return nil
}

// create opens a file of the folder for writing. Where owner is not nil the file is made its.
func (f *fence) create(name string, flag int, owner *Owner) (*os.File, error) {
	fd, err := unix.Openat(int(f.dir.Fd()), name, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK|flag, 0o600)
	path := f.dir.Name() + "/" + name
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	file := os.NewFile(uintptr(fd), path)
	if owner != nil && (int(owner.UID) != os.Geteuid() || int(owner.GID) != os.Getegid()) {
		if err := file.Chown(int(owner.UID), int(owner.GID)); err != nil {
			file.Close()
			return nil, err
		}
	}
	return file, nil
}

// read returns the number. What is no number, or was cut, or may be another's word, is an error and never 0.
func (f *fence) read() (int64, error) {
	fd, err := unix.Openat(int(f.dir.Fd()), f.name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return 0, &fs.PathError{Op: "open", Path: f.path(), Err: err}
	}
	file := os.NewFile(uintptr(fd), f.path())
	defer file.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, &fs.PathError{Op: "stat", Path: f.path(), Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Mode&0o022 != 0 {
		return 0, &trust.Error{Path: f.path(), Reason: "is no file that its owner alone writes"}
	}
	text := make([]byte, maxText+1)
	n, err := file.Read(text)
	if n == 0 && err != nil && st.Size > 0 {
		return 0, err
	}
	seen, err := parse(text[:n])
	if err != nil {
		return 0, fmt.Errorf("%s %w", f.path(), err)
	}
	return seen, nil
}

// maxText is how long a number is at most, with its newline.
const maxText = len("9223372036854775806\n")

// parse reads what write writes: decimal digits without a leading zero, and a newline, without which a number that was cut
// would be a smaller one.
func parse(text []byte) (int64, error) {
	digits, whole := bytes.CutSuffix(text, []byte("\n"))
	n, err := strconv.ParseInt(string(digits), 10, 64)
	if !whole || err != nil || n < 0 || n > greatest || strconv.FormatInt(n, 10) != string(digits) {
		return 0, fmt.Errorf("holds %q, and not a number and a newline: write the greatest token that was granted there", text)
	}
	return n, nil
}

// write makes the number that of the file, so that it is on the disk, whole, when write returns.
func (f *fence) write(n int64) error { return f.writeAs(n, nil) }

func (f *fence) writeAs(n int64, owner *Owner) error {
	next := "." + f.name + ".new"
	file, err := f.create(next, unix.O_TRUNC, owner)
	if err != nil {
		return err
	}
	_, err = file.Write(strconv.AppendInt(nil, n, 10))
	if err == nil {
		_, err = file.Write([]byte("\n"))
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	dir := int(f.dir.Fd())
	if err := unix.Renameat(dir, next, dir, f.name); err != nil {
		return &os.LinkError{Op: "rename", Old: next, New: f.path(), Err: err}
	}
	return f.dir.Sync()
}
