package daemon

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/mask"
)

// maxProgram bounds what is kept of a client's command line.
const maxProgram = 300

// CommandLine returns how the command line of the peer of a socket begins, as the kernel has it: arguments with a zero byte after
// each. It is empty where nobody can say, for sure, whose it is: the process is named by its pid, which is another's as soon as
// it has ended (CVE-2019-6133), so it must live when its command line has been read. A kernel before 6.5 has no SO_PEERPIDFD
// to tell. Where /proc hides the processes of others (hidepid) it takes CAP_SYS_PTRACE.
//
// It is the client's own word, which a process can write over.
func CommandLine(socket int, pid int) []byte {
	if pid <= 0 {
		return nil
	}
	fd, err := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_PEERPIDFD)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	file, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/cmdline", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(file)
	text := make([]byte, maxProgram)
	n, err := unix.Read(file, text)
	if err != nil {
		return nil
	}
	if gone, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0); gone != 0 || err != nil {
		return nil // it has ended: who knows whose that was
	}
	return text[:n]
}

// program words a command line for the audit log: without secrets, its arguments with blanks between them, and whatever else it
// holds as it is.
func program(commandLine []byte) string {
	argv := strings.Split(strings.TrimRight(string(commandLine), "\x00"), "\x00")
	return strings.Join(mask.Masker{}.Args(argv), " ")
}
