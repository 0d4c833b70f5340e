package wire

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// recvmsg is recvmsg(2) on a connected socket. unix.Recvmsg has a sender's address on the heap with each one, 112 bytes
// and more than all the rest that a call allocates: a service's memory would grow by its garbage alone.
func recvmsg(fd int, b, control []byte, flags int) (n, controln, outflags int, err error) {
	var iov unix.Iovec
	iov.Base = unsafe.SliceData(b)
	iov.SetLen(len(b))
	var msg unix.Msghdr
	msg.Iov = &iov
	msg.SetIovlen(1)
	msg.Control = unsafe.SliceData(control)
	msg.SetControllen(len(control))
	got, _, errno := unix.Syscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), uintptr(flags))
	if errno != 0 {
		return 0, 0, 0, errno
	}
	return int(got), int(msg.Controllen), int(msg.Flags), nil
}
