package daemon

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/mask"
)

// maxProgram bounds what is kept of a client's command line.
const maxProgram = 300

// program returns the command line of the peer of a socket, for the audit log: without secrets, its arguments with blanks
// between them, and whatever else it holds as it is. It is empty where nobody can say, for sure, whose it is: the process
// is named by its pid, which is another's as soon as it has ended (CVE-2019-6133), so it must live when its command line
// has been read. A kernel before 6.5 has no SO_PEERPIDFD to tell.
//
// It is the client's own word, which a process can write over.
func program(socket int, pid int) string {
	if pid <= 0 {
		return ""
	}
	fd, err := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_PEERPIDFD)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	f, err := os.Open(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxProgram))
	if err != nil {
		return ""
	}
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0); n != 0 || err != nil {
		return "" // it has ended: who knows whose that was
	}
	argv := strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")
	return strings.Join(mask.Masker{}.Args(argv), " ")
}
