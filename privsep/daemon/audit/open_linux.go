package audit

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/internal/trust"
)

// Open returns the Log that a configuration asks for: its audit_file or, where that names none, rest, which stays the
// caller's and may be nil; and /dev/log with use_syslog. Call it before confine: the descriptors stay open.
//
// The file is made with mode 0600 if it is not there. It must be a regular file with one name, of this process's user
// and written by nobody else, in a folder that root alone can change, with every folder above it. What is wrong is an
// error, a *filters.Error or *trust.Error or the kernel's.
//
// A machine without /dev/log has no syslog: that is no error, rootwrap runs there too.
func Open(cfg filters.Config, rest io.Writer) (*Log, error) {
	l := New(rest)
	if cfg.AuditFile != "" {
		f, err := openFile(cfg.AuditFile)
		if err != nil {
			return nil, &filters.Error{File: cfg.File, Msg: "audit_file: " + err.Error(), Value: true}
		}
		l.out, l.close = f, append(l.close, f)
	}
	if cfg.UseSyslog {
		s, err := openSyslog(devLog, cfg.SyslogFacility, cfg.SyslogLevel)
		if err != nil {
			_ = l.Close()
			return nil, err
		}
		l.syslog, l.close = s.send, append(l.close, s)
	}
	return l, nil
}

// openFile opens the file in the very folder that was checked, and judges it by its descriptor.
func openFile(path string) (*os.File, error) {
	dir, err := trust.OpenDir(filepath.Dir(path), trust.Rules{})
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	const flags = unix.O_WRONLY | unix.O_APPEND | unix.O_CREAT | unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NOCTTY | unix.O_NONBLOCK
	fd, err := unix.Openat(int(dir.Fd()), filepath.Base(path), flags, 0o600)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	if err := judge(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
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
