package daemon

import (
	"os"

	"golang.org/x/sys/unix"
)

// duplicate gives each file a second descriptor of the same open file description.
func duplicate(files []*os.File) ([]*os.File, error) {
	var copies []*os.File
	for _, f := range files {
		fd, err := duplicateOne(f)
		if err != nil {
			closeAll(copies)
			return nil, err
		}
		copies = append(copies, os.NewFile(uintptr(fd), f.Name()))
	}
	return copies, nil
}

func duplicateOne(f *os.File) (fd int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	if cerr := raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 3) }); cerr != nil {
		return -1, cerr
	}
	return fd, os.NewSyscallError("fcntl", err)
}
