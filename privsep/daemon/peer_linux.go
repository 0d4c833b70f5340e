package daemon

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// A Peer is who sits at the other end of the connection, by the kernel's word (SO_PEERCRED): who made the socketpair.
type Peer struct {
	PID      int
	UID, GID uint32
	// Program is its command line, as it was when the helper started, without secrets, for the audit log. Empty: unknown.
	Program string
}

// socketPeer wants standard input to be a connected AF_UNIX socket and returns its type and its peer.
func socketPeer(fd int) (kind int, peer Peer, err error) {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil || domain != unix.AF_UNIX {
		return 0, peer, errors.New("standard input is no Unix socket: a root helper is started by its client. " +
			"If sudo started it, its log_input makes a pipe of it: write `Defaults!/path/of/helper !log_input` into sudoers")
	}
	kind, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return 0, peer, os.NewSyscallError("getsockopt", err)
	}
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0, peer, os.NewSyscallError("getsockopt", err)
	}
	return kind, Peer{PID: int(cred.Pid), UID: cred.Uid, GID: cred.Gid}, nil
}

// mayAsk checks the peer against who is said to have started the helper: sudo's word, and the parent's (stated). Only a
// peer that is root may be said to become another user.
func (p Peer) mayAsk(stated *uint32, sudoUID string) (Peer, error) {
	if sudoUID != "" && p.UID != 0 {
		uid, err := strconv.ParseUint(sudoUID, 10, 32)
		if err != nil || uint32(uid) != p.UID {
			return p, fmt.Errorf("the socket belongs to uid %d, sudo was called by uid %q: the client must make the socket itself", p.UID, sudoUID)
		}
	}
	if stated != nil && *stated != p.UID {
		if p.UID != 0 {
			return p, fmt.Errorf("the client is uid %d and not %d, as was said: leave the client's uid out", p.UID, *stated)
		}
		p.UID = *stated
	}
	return p, nil
}
