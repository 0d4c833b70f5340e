package service

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/privsep/daemon"
)

// A peer is who connected, by the kernel's word at that time.
type peer struct {
	daemon.Peer
	groups []uint32 // its own first
}

// askPeer asks the kernel who connected.
func askPeer(socket int) (peer, error) {
	cred, err := unix.GetsockoptUcred(socket, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return peer{}, os.NewSyscallError("getsockopt SO_PEERCRED", err)
	}
	groups, err := peerGroups(socket)
	if err != nil {
		return peer{}, os.NewSyscallError("getsockopt SO_PEERGROUPS", err)
	}
	return peer{daemon.Peer{PID: int(cred.Pid), UID: cred.Uid, GID: cred.Gid}, append([]uint32{cred.Gid}, groups...)}, nil
}

// peerGroups returns the peer's supplementary groups. x/sys has no wrapper for the option; see socket(7) and
// net/core/sock.c: a gid is 32 bits on every machine, and ERANGE says how much room they need.
func peerGroups(socket int) ([]uint32, error) {
	for room := 64; ; {
		groups := make([]uint32, room)
		size := uint32(4 * room)
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(socket), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&groups[0])), uintptr(unsafe.Pointer(&size)), 0)
		if errno == unix.ERANGE && int(size)/4 > room {
			room = int(size) / 4
			continue
		}
		if errno != 0 {
			return nil, errno
		}
		return groups[:size/4], nil
	}
}

// namespaces are those that say who somebody is: of users and of pids, by the inode that the kernel gives each.
type namespaces struct{ user, pid uint64 }

func ownNamespaces() (n namespaces, err error) {
	if n.user, err = inode("/proc/self/ns/user"); err == nil {
		n.pid, err = inode("/proc/self/ns/pid")
	}
	return n, err
}

func inode(path string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return st.Ino, nil
}

// The requests of pidfd_ioctl since Linux 6.11: include/uapi/linux/pidfd.h, _IO(0xFF, N).
const (
	pidfdGetPidNamespace  = 0xff05
	pidfdGetUserNamespace = 0xff09
)

// peerNamespaces returns those of the process that connected. A pid alone would not do: by the time that /proc is asked it
// may be another's (polkit, CVE-2019-6133), so whose it is comes from the socket (SO_PEERPIDFD, Linux 6.5) and is looked at
// again after /proc was asked. On an older kernel the pid is made a pidfd first, which leaves the time since connect.
//
// That a pid is 0, invisible from here, is no sign of another namespace of users, nor is any other pid one of ours.
func peerNamespaces(socket int, p peer) (n namespaces, err error) {
	pidfd, err := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_PEERPIDFD)
	if err == unix.ENOPROTOOPT {
		pidfd, err = unix.PidfdOpen(p.PID, 0)
	}
	if err != nil {
		return n, fmt.Errorf("the process that connected has ended (%w)", err)
	}
	defer unix.Close(pidfd)
	if n.user, err = namespaceOf(pidfd, pidfdGetUserNamespace); err == nil {
		n.pid, err = namespaceOf(pidfd, pidfdGetPidNamespace)
	}
	if err == unix.ENOTTY || err == unix.EINVAL || err == unix.EOPNOTSUPP {
		return namespacesByProc(pidfd)
	}
	if err != nil {
		return n, fmt.Errorf("namespaces of the process that connected: %w", err)
	}
	return n, nil
}

func namespaceOf(pidfd int, request uint) (uint64, error) {
	fd, err := unix.IoctlRetInt(pidfd, request)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	return st.Ino, err
}

// namespacesByProc asks /proc about the process of a pidfd, and whether that still was it.
func namespacesByProc(pidfd int) (n namespaces, err error) {
	pid, err := pidOf(pidfd)
	if err != nil {
		return n, err
	}
	if n.user, err = inode(fmt.Sprintf("/proc/%d/ns/user", pid)); err == nil {
		n.pid, err = inode(fmt.Sprintf("/proc/%d/ns/pid", pid))
	}
	if err == nil {
		err = unix.PidfdSendSignal(pidfd, 0, nil, 0)
	}
	if err != nil {
		return n, fmt.Errorf("namespaces of the process that connected: %w", err)
	}
	return n, nil
}

// pidOf returns the number that the process of a pidfd has here.
func pidOf(pidfd int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", pidfd))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "Pid:"); ok {
			if pid, err := strconv.Atoi(strings.TrimSpace(value)); err == nil && pid > 0 {
				return pid, nil
			}
		}
	}
	return 0, fmt.Errorf("the process that connected has ended, or is of another pid namespace")
}
