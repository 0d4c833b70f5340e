package daemon

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// starter is what a helper does whose standard input is a SOCK_SEQPACKET socket: it stays root in the place of a
// service that gives root up, and starts the helper again when that died. It takes nothing of the service but one end
// of a socketpair and of a pipe, the helper's standard input and error: what is started, this program with these
// arguments, was fixed when the service was still root. It ends when the service does. A helper ends with its own connection.
func starter(fd int) error {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("starter: %w", err)
	}
	defer self.Close()
	for {
		end, stderr, err := receiveEnds(fd)
		if err != nil {
			return fmt.Errorf("starter: %w", err)
		}
		if end == nil {
			return nil
		}
		cmd := exec.Cmd{Path: fmt.Sprintf("/proc/self/fd/%d", self.Fd()), Args: os.Args, Stdin: end, Stderr: stderr,
			Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, Dir: "/", SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
		err = cmd.Start()
		closeAll([]*os.File{end, stderr})
		if err != nil {
			return fmt.Errorf("starter: %w", err)
		}
		go func() { _ = cmd.Wait() }() // reaped; its client hears of its end by the socket
	}
}

// receiveEnds waits for one byte with exactly two descriptors: a stream socket, and a pipe. No other kind of file becomes
// the standard error of root: what root writes there may do more than what the service could write itself. Nil: the
// service is gone.
func receiveEnds(fd int) (socket, stderr *os.File, err error) {
	b, oob := make([]byte, 2), make([]byte, unix.CmsgSpace(4*4))
	var n, oobn, flags int
	for {
		// syscall's: the one of x/sys links a reader of every family of addresses, 25 KB in all.
		n, oobn, flags, _, err = syscall.Recvmsg(fd, b, oob, unix.MSG_CMSG_CLOEXEC)
		if err == nil {
			break
		}
		if err == unix.ECONNRESET {
			return nil, nil, nil
		}
		if err != unix.EINTR {
			return nil, nil, os.NewSyscallError("recvmsg", err)
		}
	}
	if n == 0 && oobn == 0 {
		return nil, nil, nil
	}
	wrong := errors.New("wants one byte, one end of a stream socketpair and one of a pipe")
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || n != 1 || len(messages) != 1 || flags&unix.MSG_CTRUNC != 0 {
		return nil, nil, wrong
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 2 {
		return nil, nil, wrong
	}
	socket, stderr = os.NewFile(uintptr(fds[0]), "client"), os.NewFile(uintptr(fds[1]), "stderr")
	var st unix.Stat_t
	kind, _, serr := socketPeer(fds[0])
	if serr != nil || kind != unix.SOCK_STREAM || unix.Fstat(fds[1], &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		closeAll([]*os.File{socket, stderr})
		return nil, nil, wrong
	}
	return socket, stderr, nil
}
