package client

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// DefaultService is the socket of the service that Debian's package and `privhelper run` know.
const DefaultService = "/run/privhelper/privhelper.sock"

// Dial connects to a service (`privhelper serve`), for programs that cannot start a helper: under NoNewPrivileges neither sudo
// nor any setuid program works. Path is the service's socket, "" is DefaultService. Dial is Start with a Service and nothing
// else in its Config; what is to have Contexts, a Logger or other times calls Start.
//
// A client whose connection broke dials again with its next call, as one that Start made starts its helper again. The error of
// one that the service turns away is a *privsep.CallError: of CodeDenied, in which errors.Is finds fs.ErrPermission, where
// it may not use the service, and of CodeBusy where it, or all together, have too many connections. Where nobody listens
// errors.Is finds fs.ErrNotExist or syscall.ECONNREFUSED.
func Dial(ctx context.Context, path string) (*Client, error) {
	return Start(ctx, Config{Launcher: &Service{Path: path}})
}

// Service reaches a helper through a service's socket. The service gives each connection a process of its own, so a Client has
// a helper to itself here too.
type Service struct {
	Path string // of the socket; "" is DefaultService
	// UID is who runs the service. 0 is root. A socket that anybody else listens at, who could be the helper of all who
	// come, is refused.
	UID uint32
}

// dialTime bounds the wait for a service that does not accept, in seconds.
const dialTime = 10

func (s *Service) launch(log *logQueue) (*process, *os.File, error) {
	path := s.Path
	if path == "" {
		path = DefaultService
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socket", err)
	}
	file := os.NewFile(uintptr(fd), path)
	if err := s.connect(fd, path); err != nil {
		file.Close()
		return nil, nil, err
	}
	return &process{log: log}, file, nil
}

func (s *Service) connect(fd int, path string) error {
	// A connect waits while the service's backlog is full, and by the same limit as a send.
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Sec: dialTime}); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	err := unix.EINTR
	for err == unix.EINTR {
		err, _ = unix.Connect(fd, &unix.SockaddrUnix{Name: path}).(unix.Errno)
	}
	switch {
	case err == unix.ENOENT || err == unix.ECONNREFUSED:
		return fmt.Errorf("%w: no service listens there; ask root of this machine to start it (systemctl enable --now privhelper.socket)",
			&os.PathError{Op: "dial", Path: path, Err: err})
	case err != 0:
		return &os.PathError{Op: "dial", Path: path, Err: err}
	}
	listener, cerr := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if cerr != nil {
		return os.NewSyscallError("getsockopt", cerr)
	}
	if listener.Uid != 0 && listener.Uid != s.UID {
		return &os.PathError{Op: "dial", Path: path, Err: fmt.Errorf("uid %d listens there and not root", listener.Uid)}
	}
	return nil
}
