package daemon

import (
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// Handed returns the files that the helper's launcher opened and checked before it started the helper in a user
// namespace (client.UserNamespace.Trusted): for host.Options.Handed, from the function that loads the policy, which Main
// calls while standard input is still the client's socket. They are all that was inherited with O_PATH.
//
// There are none where the client is another user than the helper: whoever asks through sudo or a setuid program in a
// container could otherwise vouch for a file of its own. They are copies, close-on-exec, and may be kept or closed.
func Handed() []*os.File {
	if _, peer, err := socketPeer(0); err != nil || peer.UID != uint32(os.Geteuid()) {
		return nil
	}
	names, err := filepath.Glob("/proc/self/fd/[0-9]*")
	if err != nil {
		return nil
	}
	var inherited []int // listed before any is copied: a copy takes the number of the list's own descriptor
	for _, name := range names {
		fd, err := strconv.Atoi(filepath.Base(name))
		if err != nil || fd < 3 {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err == nil && flags&unix.O_PATH != 0 {
			inherited = append(inherited, fd)
		}
	}
	var files []*os.File
	for _, fd := range inherited {
		if own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3); err == nil {
			files = append(files, os.NewFile(uintptr(own), "handed in"))
		}
	}
	return files
}
