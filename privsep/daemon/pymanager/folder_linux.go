package pymanager

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// Where the Python daemon makes its folder (tempfile.mkdtemp), and where services and SELinux policies expect it. TMPDIR is
// the caller's word and is not asked.
const (
	folderParent = "/tmp"
	folderPrefix = "rootwrap-"
	socketName   = "rootwrap.sock"
)

// A folder is a private one with a listening socket in it. Both are the client's: 0700 and 0600.
type folder struct {
	path     string
	owner    int // whose it is
	listener *os.File
}

func (f *folder) socket() string { return filepath.Join(f.path, socketName) }

// makeFolder makes it for uid. The folder is given away last: nobody but root can exchange what is in it before.
func makeFolder(uid uint32) (_ *folder, err error) {
	f := &folder{owner: os.Geteuid()}
	if f.path, err = os.MkdirTemp(folderParent, folderPrefix); err != nil {
		return nil, err
	}
	if err := errors.Join(f.listen(int(uid)), os.Chown(f.path, int(uid), -1)); err != nil {
		f.remove()
		return nil, fmt.Errorf("a socket for uid %d: %w", uid, err)
	}
	f.owner = int(uid)
	return f, nil
}

func (f *folder) listen(uid int) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	f.listener = os.NewFile(uintptr(fd), f.socket())
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: f.socket()}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	if err := errors.Join(os.Chmod(f.socket(), 0o600), os.Chown(f.socket(), uid, -1)); err != nil {
		return err
	}
	return os.NewSyscallError("listen", unix.Listen(fd, unix.SOMAXCONN))
}

// remove removes both. The folder is the client's, who may have put anything in its place: what removes it has the
// client's rights on files and no more, and is a thread that ends with it. It also needs no capability then that a
// confined helper would have to keep, beside CAP_SETUID, which it has to run commands.
func (f *folder) remove() {
	if f.listener != nil {
		f.listener.Close()
	}
	removed := make(chan struct{})
	go func() {
		defer close(removed)
		if f.owner != os.Geteuid() {
			runtime.LockOSThread() // and never unlocked
			_ = unix.Setfsuid(f.owner)
		}
		os.Remove(f.socket())
		os.Remove(f.path)
	}()
	<-removed
}
