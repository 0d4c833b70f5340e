package daemon

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/privsep/internal/wire"
)

// endWithPeer ends the connection when the process that made it has ended, as its own end would. That the connection
// itself ends does not show where somebody else has a copy of the client's end: a client can pass it to this very helper,
// or to a command as its standard input, and both would outlive it for ever. Descriptors are not searched for it: it could
// wait in the queue of another socket that was passed.
//
// A kernel before 6.5 has no SO_PEERPIDFD; there the connection alone counts. A pid would not do (CVE-2019-6133).
func endWithPeer(conn *wire.Conn) error {
	var fd int
	var gerr error
	err := conn.SyscallConn().Control(func(socket uintptr) {
		fd, gerr = unix.GetsockoptInt(int(socket), unix.SOL_SOCKET, unix.SO_PEERPIDFD)
	})
	switch {
	case err != nil:
		return err
	case gerr == unix.ENOPROTOOPT || gerr == unix.ENODATA:
		return nil
	case gerr != nil: // it has ended before we asked
		conn.Shutdown()
		return nil
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return os.NewSyscallError("fcntl", err)
	}
	peer := os.NewFile(uintptr(fd), "peer")
	raw, err := peer.SyscallConn()
	if err != nil {
		peer.Close()
		return err
	}
	go func() {
		defer peer.Close()
		_ = raw.Read(func(fd uintptr) (ended bool) {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			return n > 0 || err != nil && err != unix.EINTR
		})
		conn.Shutdown()
	}()
	return nil
}
