package service

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/trust"
)

// backlog is how many connections the kernel holds that were not accepted yet, if net.core.somaxconn lets it.
const backlog = 1024

// A listener is the socket that clients connect to.
type listener struct {
	file   *os.File
	path   string
	remove func() // takes the socket out of its folder, where it was put there by us
}

// listen takes the socket that systemd hands in, or makes one at path. In both cases its folder is judged: whoever can
// write to that can put a socket of its own there, and be root's helper for everybody who comes.
func listen(path string) (listener, error) {
	if path == "" {
		return inherited()
	}
	// Everybody may connect, and is judged by what the kernel says of him: a mode knows one group, and cannot say why not.
	return listenAt(path, 0o666)
}

// listenAt makes a socket of that mode.
func listenAt(path string, mode uint32) (listener, error) {
	dir, err := runtimeFolder(path)
	if err != nil {
		return listener{}, err
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		dir.Close()
		return listener{}, os.NewSyscallError("socket", err)
	}
	l := listener{file: os.NewFile(uintptr(fd), path), path: path}
	if err := bind(fd, dir, filepath.Base(path), mode); err != nil {
		dir.Close()
		l.file.Close()
		return listener{}, fmt.Errorf("listen at %s: %w", path, err)
	}
	l.remove = func() {
		_ = unix.Unlinkat(int(dir.Fd()), filepath.Base(path), 0) // of the folder that was judged, wherever it is now
		dir.Close()
	}
	return l, nil
}

// runtimeFolder opens the folder of a socket if nobody but its owner, root or ourselves, can write to it or put another in
// its place.
func runtimeFolder(path string) (*os.File, error) {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path {
		return nil, fmt.Errorf("the socket's path %q must be absolute and plain", path)
	}
	folder := filepath.Dir(path)
	dir, err := trust.OpenDir(folder, trust.Rules{Owners: []uint32{uint32(os.Geteuid())}})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the socket's folder %s does not exist: make it with mode 0755, or see tmpfiles.d(5)", folder)
	}
	if err != nil {
		return nil, fmt.Errorf("the socket's folder: %w", err)
	}
	return dir.File, nil
}

// bind puts the socket into the folder that was judged and listens. A socket that is there and that nobody listens to is
// of a service that was killed, and goes; the folder's lock keeps two that start at one time from removing each other's.
func bind(fd int, dir *os.File, name string, mode uint32) error {
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		return os.NewSyscallError("flock", err)
	}
	defer unix.Flock(int(dir.Fd()), unix.LOCK_UN)
	at := &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), name)}
	var st unix.Stat_t
	switch err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); {
	case err == unix.ENOENT:
	case err != nil:
		return os.NewSyscallError("stat", err)
	case st.Mode&unix.S_IFMT != unix.S_IFSOCK:
		return errors.New("something is there that is no socket: remove it")
	default:
		probe, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return os.NewSyscallError("socket", err)
		}
		err = unix.Connect(probe, at)
		unix.Close(probe)
		if err != unix.ECONNREFUSED {
			return errors.New("a service listens there already")
		}
		if err := unix.Unlinkat(int(dir.Fd()), name, 0); err != nil {
			return os.NewSyscallError("unlink", err)
		}
	}
	if err := unix.Bind(fd, at); err != nil {
		return os.NewSyscallError("bind", err)
	}
	if err := unix.Fchmodat(int(dir.Fd()), name, mode, 0); err != nil {
		return os.NewSyscallError("chmod", err)
	}
	return os.NewSyscallError("listen", unix.Listen(fd, backlog))
}

// The environment of sd_listen_fds(3).
const (
	listenPID   = "LISTEN_PID"
	listenFDs   = "LISTEN_FDS"
	firstListen = 3
)

// inherited is the one socket that systemd hands in.
func inherited() (listener, error) {
	if os.Getenv(listenPID) != strconv.Itoa(os.Getpid()) {
		return listener{}, errors.New("no socket to listen at: name one by --listen PATH, or start privhelper.socket of systemd")
	}
	if n := os.Getenv(listenFDs); n != "1" {
		return listener{}, fmt.Errorf("systemd hands in %q sockets, not 1: the unit's .socket must have one ListenStream", n)
	}
	domain, err := unix.GetsockoptInt(firstListen, unix.SOL_SOCKET, unix.SO_DOMAIN)
	kind, kerr := unix.GetsockoptInt(firstListen, unix.SOL_SOCKET, unix.SO_TYPE)
	accepts, aerr := unix.GetsockoptInt(firstListen, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if errors.Join(err, kerr, aerr) != nil || domain != unix.AF_UNIX || kind != unix.SOCK_STREAM || accepts != 1 {
		return listener{}, errors.New("what systemd hands in is no listening Unix stream socket: write ListenStream=/run/privhelper/NAME.sock and Accept=no")
	}
	// syscall's: the one of x/sys links a reader of every family of addresses, 25 KB in all.
	name, err := syscall.Getsockname(firstListen)
	if err != nil {
		return listener{}, os.NewSyscallError("getsockname", err)
	}
	at, ok := name.(*syscall.SockaddrUnix)
	if !ok || !filepath.IsAbs(at.Name) {
		return listener{}, errors.New("the socket has no path: an abstract one belongs to whoever takes its name first")
	}
	dir, err := runtimeFolder(at.Name)
	if err != nil {
		return listener{}, err
	}
	dir.Close()
	if err := unix.SetNonblock(firstListen, true); err != nil {
		return listener{}, os.NewSyscallError("fcntl", err)
	}
	return listener{file: os.NewFile(firstListen, at.Name), path: at.Name, remove: func() {}}, nil
}

// accept waits for a connection.
func (l listener) accept() (*os.File, error) {
	raw, err := l.file.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	var aerr error
	err = raw.Read(func(s uintptr) bool {
		// syscall's, as above.
		fd, _, aerr = syscall.Accept4(int(s), unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		return aerr != unix.EAGAIN && aerr != unix.EINTR && aerr != unix.ECONNABORTED
	})
	if err != nil {
		return nil, err
	}
	if aerr != nil {
		return nil, os.NewSyscallError("accept4", aerr)
	}
	return os.NewFile(uintptr(fd), "client"), nil
}
