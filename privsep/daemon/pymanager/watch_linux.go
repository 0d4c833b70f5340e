package pymanager

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/privsep/daemon"
)

// A watch sees the end of the client, in two ways. A pidfd says it of the process that started us. Where a wrapper stands
// between, or a sudo that root called, that one is not known: there standard input says it, a pipe whose other end the
// client holds for as long as it lives (subprocess.Popen in oslo_rootwrap.client).
type watch []unix.PollFd

// watchClient begins to watch. client is what find has returned, which is asked again: a number may have become another
// process's (polkit, CVE-2019-6133), but then it is none above us.
func watchClient(client daemon.Peer, find func() (daemon.Peer, error)) (watch, error) {
	var w watch
	var st unix.Stat_t
	if err := unix.Fstat(0, &st); err == nil && (st.Mode&unix.S_IFMT == unix.S_IFIFO || st.Mode&unix.S_IFMT == unix.S_IFSOCK) {
		fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return nil, os.NewSyscallError("fcntl", err)
		}
		w = append(w, unix.PollFd{Fd: int32(fd)}) // POLLHUP comes unasked
	}
	if client.PID == 0 {
		return w, nil
	}
	fd, err := unix.PidfdOpen(client.PID, 0)
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	if again, err := find(); err != nil || again != client {
		return nil, errors.New("the client has ended")
	}
	return append(w, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}), nil
}

// wait returns when the client has ended. It keeps a thread, and never returns where there is nothing to see the end by.
func (w watch) wait() {
	for {
		n, err := unix.Poll(w, -1)
		if n > 0 || err != nil && err != unix.EINTR {
			return
		}
	}
}
