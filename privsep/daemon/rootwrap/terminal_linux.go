package rootwrap

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/command"
)

// terminalOf returns which stream is to be the command's controlling terminal, −1 where none is. A terminal is taken only
// where the client says that it made it for this command, and only if it is the far side of a pseudo-terminal: whoever can
// open a terminal from a process of its session can type into it (TIOCSTI), so a user's own is not for a command. Whether
// it is another session's already the kernel knows, and refuses it at the start.
func terminalOf(r command.Request) (int, error) {
	tty := -1
	for fd, f := range []*os.File{r.Stdin.File, r.Stdout.File, r.Stderr.File} {
		if f == nil {
			continue
		}
		terminal, pty := kindOfTerminal(f)
		name := []string{"standard input", "standard output", "standard error"}[fd]
		switch {
		case !terminal:
		case !r.Pty:
			return -1, badTerminal(name + " is a terminal, into which the command could type (TIOCSTI): pass a pipe")
		case !pty:
			return -1, badTerminal(name + " is a terminal and no pseudo-terminal of the client's own")
		case tty < 0 || fd == 0:
			tty = fd
		}
	}
	return tty, nil
}

func badTerminal(why string) error {
	return &privsep.CallError{Code: privsep.CodeBadArguments, Outcome: privsep.Answered, Message: why}
}

// The major numbers of the far sides of pseudo-terminals: Documentation/admin-guide/devices.txt.
const firstPty, lastPty = 136, 143

// kindOfTerminal reports whether a file is a terminal, and of these the far side of a pseudo-terminal.
func kindOfTerminal(f *os.File) (terminal, pty bool) {
	raw, err := f.SyscallConn()
	if err != nil {
		return false, false
	}
	_ = raw.Control(func(fd uintptr) {
		_, err := unix.IoctlGetTermios(int(fd), unix.TCGETS)
		terminal = err == nil
		var st unix.Stat_t
		if terminal && unix.Fstat(int(fd), &st) == nil {
			major := unix.Major(uint64(st.Rdev))
			pty = major >= firstPty && major <= lastPty
		}
	})
	return terminal, pty
}
