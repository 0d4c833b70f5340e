package sink

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/pyjson"
	"github.com/privhelper/privhelper/internal/trust"
)

// Open opens all that Options name, for Close to give back.
//
// A file must be a regular one with one name, of this process's user and written by nobody else, in a folder that root
// alone can change, with every folder above it. What is wrong is a *FileError. A machine without syslog is no error:
// rootwrap runs there too.
func Open(opt Options) (*Sink, error) {
	s := To(opt.Rest)
	if opt.File != "" {
		f, err := openFile(opt.File)
		if err != nil {
			return nil, &FileError{opt.File, err}
		}
		s.file, s.lanes = f, []*lane{{to: f}}
	}
	if opt.Syslog {
		d, err := openSyslog(systemLog(), opt.Facility, opt.Level)
		if err != nil {
			_ = s.Close()
			return nil, err
		}
		s.lanes = append(s.lanes, &lane{to: d})
	}
	return s, nil
}

// A FileError says why a file takes no audit log.
type FileError struct {
	Path string
	Err  error // names the path
}

func (e *FileError) Error() string { return e.Err.Error() }
func (e *FileError) Unwrap() error { return e.Err }

// A file is a log with its folder, which is kept open: a helper that has confined itself to nothing but uid 0 can still
// make a file there, as the folder's owner, whatever became of the right to walk to it.
type file struct {
	stream
	dir  *trust.Dir
	name string
	open *os.File
}

func openFile(path string) (*file, error) {
	dir, err := trust.OpenDir(filepath.Dir(path), trust.Rules{})
	if err != nil {
		return nil, err
	}
	f := &file{dir: dir, name: filepath.Base(path)}
	if f.open, err = f.openAgain(); err != nil {
		dir.Close()
		return nil, err
	}
	f.out = f.open
	return f, nil
}

// openAgain opens the file in the very folder that was checked, and judges it by its descriptor.
func (f *file) openAgain() (*os.File, error) {
	path := filepath.Join(f.dir.Path, f.name)
	const flags = unix.O_WRONLY | unix.O_APPEND | unix.O_CREAT | unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NOCTTY | unix.O_NONBLOCK
	fd, err := unix.Openat(int(f.dir.Fd()), f.name, flags, 0o600)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	opened := os.NewFile(uintptr(fd), path)
	if err := judge(opened); err != nil {
		opened.Close()
		return nil, err
	}
	return opened, nil
}

// reopen changes to the file that has the name now, and returns a line for the old one where there is none to change to.
func (f *file) reopen() []byte {
	next, err := f.openAgain()
	if err != nil {
		var o pyjson.Object
		o.String("time", time.Now().UTC().Format(time.RFC3339Nano))
		o.String("event", "not_reopened")
		o.String("error", err.Error())
		return o.End()
	}
	f.open.Close()
	f.open, f.out, f.torn = next, next, false
	return nil
}

// judge refuses a file that somebody else could write, and a second name of a file that is no log: root appends to it.
func judge(f *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return &os.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return fmt.Errorf("%s is no regular file", f.Name())
	case int(st.Uid) != os.Geteuid():
		return fmt.Errorf("%s belongs to uid %d: run chown %d %s", f.Name(), st.Uid, os.Geteuid(), f.Name())
	case st.Mode&0o022 != 0:
		return fmt.Errorf("%s has mode %04o and can be written by others: run chmod go-w %s", f.Name(), st.Mode&0o7777, f.Name())
	case st.Nlink != 1:
		return fmt.Errorf("%s has %d names: a log has one", f.Name(), st.Nlink)
	}
	return nil
}

// Close gives the file and its folder back.
func (f *file) Close() error {
	f.dir.Close()
	return f.open.Close()
}
