package main

import "golang.org/x/sys/unix"

// A shared terminal is one in which not both standard input and standard output of the command are: `privhelper run -- ip addr
// | less`, or `dmesg | privhelper run -- less`. Others of the pipeline may want what is typed, and restore the terminal's
// settings when they end, so we leave both alone: lines that the terminal has edited and echoed go to a command whose standard
// input it is. A command wants more when it changes the settings of its pty, as pagers do, and whoever asks for a password.
// Then it is lent the terminal, to its end.
//
// The kernel tells of a change in packet mode, if EXTPROC is set (ioctl_tty(2), termios(3)). That flag is telnetd's: it says
// that lines are edited and echoed elsewhere, which is so.

// unpacked takes the first byte off what packet mode has read from the pty, and heeds what it says.
func (t *terminal) unpacked(read []byte) []byte {
	if !t.shared {
		return read
	}
	if read[0]&unix.TIOCPKT_IOCTL != 0 {
		t.lend()
	}
	return read[1:]
}

// lend gives the terminal to a command that has changed its pty's settings.
func (t *terminal) lend() {
	master := int(t.master.Fd()) // whose settings are those of the other end
	settings, err := unix.IoctlGetTermios(master, unix.TCGETS)
	if err != nil || t.keys < 0 || *settings == t.first {
		return
	}
	settings.Lflag &^= unix.EXTPROC // from here on the pty edits and echoes
	if unix.IoctlSetTermios(master, unix.TCSETS, settings) != nil {
		return
	}
	t.mu.Lock()
	t.lent = true
	t.mu.Unlock()
	t.take()
}

// ours reports whether what is typed is for the command. Who shares the terminal and has changed its settings reads it
// himself.
func (t *terminal) ours() bool {
	if !t.shared {
		return true
	}
	t.mu.Lock()
	lent := t.before != nil
	t.mu.Unlock()
	if lent {
		return true
	}
	now, err := unix.IoctlGetTermios(t.keys, unix.TCGETS)
	return err == nil && t.replaces[0] && now.Lflag&unix.ICANON != 0 && now.Lflag&unix.ECHO == t.echo
}
