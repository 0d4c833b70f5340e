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
// of a socketpair: what is started, this program with these arguments, was fixed when the service was still root. It
// ends when the service does. A helper ends with its own connection.
func starter(fd int) error {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("starter: %w", err)
	}
	defer self.Close()
	for {
		end, err := receiveEnd(fd)
		if err != nil {
			return fmt.Errorf("starter: %w", err)
		}
		if end == nil {
			return nil
		}
		cmd := exec.Cmd{Path: fmt.Sprintf("/proc/self/fd/%d", self.Fd()), Args: os.Args, Stdin: end, Stderr: os.Stderr,
			Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, Dir: "/", SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
		err = cmd.Start()
		end.Close()
		if err != nil {
			return fmt.Errorf("starter: %w", err)
		}
		go func() { _ = cmd.Wait() }() // reaped; its client hears of its end by the socket
	}
}

// receiveEnd waits for one byte with exactly one descriptor, a stream socket. Nil: the service is gone.
func receiveEnd(fd int) (*os.File, error) {
	b, oob := make([]byte, 2), make([]byte, unix.CmsgSpace(4*2))
	var n, oobn, flags int
	for {
		var err error
		n, oobn, flags, _, err = unix.Recvmsg(fd, b, oob, unix.MSG_CMSG_CLOEXEC)
		if err == nil {
			break
		}
		if err == unix.ECONNRESET {
			return nil, nil
		}
		if err != unix.EINTR {
			return nil, os.NewSyscallError("recvmsg", err)
		}
	}
	if n == 0 && oobn == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || n != 1 || len(messages) != 1 || flags&unix.MSG_CTRUNC != 0 {
		return nil, errors.New("wants one byte and one descriptor")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, errors.New("wants one byte and one descriptor")
	}
	end := os.NewFile(uintptr(fds[0]), "client")
	if kind, _, err := socketPeer(fds[0]); err != nil || kind != unix.SOCK_STREAM {
		end.Close()
		return nil, errors.New("wants one end of a stream socketpair")
	}
	return end, nil
}
