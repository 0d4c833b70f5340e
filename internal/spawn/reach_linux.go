package spawn

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// reach opens what exec will open: the program, the interpreters of #! lines, the folder. Where a file system does not
// answer (a dead NFS server, FUSE) the caller waits here, in a system call that the Go runtime knows of. In the child of a
// vfork it would hang together with its parent's thread, which the runtime takes for running Go code: the next garbage
// collection would wait for it and everything for that, and so would whoever wants the lock against the reaper.
//
// What it finds is not looked at: exec says what is wrong. A server that dies between the two calls is the rest of the
// risk; to fork from a process of its own would take that too, for 0.9 ms a command.
func reach(path, dir string) {
	_, _ = os.Stat(dir)
	for range 5 { // BINPRM_MAX_RECURSION
		if path = interpreter(path); path == "" {
			return
		}
	}
}

// interpreter returns the path on the #! line of path, or "".
func interpreter(path string) string {
	// Only a regular file is opened: a FIFO waits for its writer, a device may act.
	if st := (unix.Stat_t{}); unix.Stat(path, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return ""
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	head := make([]byte, 256) // BINPRM_BUF_SIZE: the kernel reads no more of it
	n, err := unix.Read(fd, head)
	if err != nil {
		return ""
	}
	line, ok := strings.CutPrefix(string(head[:n]), "#!")
	if !ok {
		return ""
	}
	line, _, _ = strings.Cut(line, "\n")
	if words := strings.Fields(line); len(words) > 0 {
		return words[0]
	}
	return ""
}
