package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/spawn"
)

// terminal is a pty that stands for the caller's terminal, and the relay between the two. The nil terminal is for a
// command none of whose streams is one: its methods do nothing.
//
// Standard output and standard error come out at one terminal; where a caller has two, at that of standard output.
type terminal struct {
	replaces      [3]bool // streams that are terminals
	user          int     // the caller's terminal
	keys          int     // where what is typed can be read; -1: nowhere
	shared        bool    // not both input and output are one: others of the pipeline may use it, see lend
	master, slave *os.File
	first         unix.Termios // the pty's settings when the command got it
	echo          uint32       // whether the caller's terminal echoed then

	mu     sync.Mutex
	before *unix.Termios // how the caller's terminal was, while it is raw
	plain  bool          // the caller's terminal does the pty's output processing
	lent   bool          // shared, and the command has it
	away   bool          // left, for the shell or for good

	suspend   func()   // called when the key that suspends was typed; nil: the command gets it as it is
	ended     *os.File // a pipe, closed when the command has ended
	seesEnded *os.File // its other end
	output    sync.WaitGroup
}

func isTerminal(fd int) bool {
	_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	return err == nil
}

// newTerminal makes a pty for uid, of the size and with the settings of the caller's terminal, or nil where no stream is
// a terminal.
func newTerminal(uid int) (*terminal, error) {
	t := &terminal{user: -1, keys: -1}
	for _, fd := range []int{0, 2, 1} { // the last has it
		if isTerminal(fd) {
			t.replaces[fd], t.user = true, fd
		}
	}
	if t.user < 0 {
		return nil, nil
	}
	t.shared = !t.replaces[0] || !t.replaces[1]
	if t.replaces[0] {
		t.keys = 0
	} else if mode, err := unix.FcntlInt(uintptr(t.user), unix.F_GETFL, 0); err == nil && mode&unix.O_ACCMODE == unix.O_RDWR {
		t.keys = t.user
	}
	if err := t.open(uid); err != nil {
		t.close()
		return nil, fmt.Errorf("a pty of the command's own: %w", err)
	}
	return t, nil
}

// give puts the pty into the place of the command's streams that are a terminal, and the command into a session of its own.
func (t *terminal) give(c *spawn.Command) {
	c.Setsid = true
	if t == nil {
		return
	}
	c.Setctty = true
	for fd, stream := range []**os.File{&c.Stdin, &c.Stdout, &c.Stderr} {
		if t.replaces[fd] {
			*stream, c.Ctty = t.slave, fd
		}
	}
}

func (t *terminal) open(uid int) error {
	master, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: "/dev/ptmx", Err: err}
	}
	t.master = os.NewFile(uintptr(master), "/dev/ptmx")
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return os.NewSyscallError("ioctl TIOCSPTLCK", err)
	}
	// Its other end by the descriptor: a path below /dev/pts may lead to another mount's terminal of the same number.
	slave, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(master), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		return os.NewSyscallError("ioctl TIOCGPTPEER", errno)
	}
	t.slave = os.NewFile(slave, "pty")
	// The command may open it again by its name, /dev/stdout; nobody else may write to it.
	if err := t.slave.Chown(uid, -1); err != nil {
		return err
	}
	if err := t.slave.Chmod(0o600); err != nil {
		return err
	}
	if t.seesEnded, t.ended, err = os.Pipe(); err != nil {
		return err
	}
	settings, err := unix.IoctlGetTermios(t.user, unix.TCGETS)
	if err != nil {
		return os.NewSyscallError("ioctl TCGETS", err)
	}
	t.echo = settings.Lflag & unix.ECHO
	if t.shared || !t.foreground() { // its settings may be those of a shell that edits a line, or of a pager
		settings.Iflag |= unix.ICRNL
		settings.Lflag |= unix.ICANON | unix.ECHO | unix.ECHOE | unix.ECHOK | unix.ISIG | unix.IEXTEN
		// The caller's terminal makes \r\n of \n still (see enter), and twice would be \r\r\n.
		t.plain, settings.Oflag = settings.Oflag&unix.OPOST != 0, settings.Oflag&^unix.OPOST
	}
	if t.shared {
		// The caller's terminal echoes and edits lines still, and the pty tells when the command wants it otherwise (see lend).
		settings.Lflag |= unix.EXTPROC
		if err := unix.IoctlSetPointerInt(master, unix.TIOCPKT, 1); err != nil {
			return os.NewSyscallError("ioctl TIOCPKT", err)
		}
	}
	t.first = *settings
	if err := unix.IoctlSetTermios(int(slave), unix.TCSETS, settings); err != nil {
		return os.NewSyscallError("ioctl TCSETS", err)
	}
	t.resize()
	return nil
}

// resize gives the pty the size of the caller's terminal. A terminal without one is left alone.
func (t *terminal) resize() {
	if t == nil {
		return
	}
	if size, err := unix.IoctlGetWinsize(t.user, unix.TIOCGWINSZ); err == nil {
		_ = unix.IoctlSetWinsize(int(t.master.Fd()), unix.TIOCSWINSZ, size)
	}
}

// start begins to relay. The command holds the other end from here on.
func (t *terminal) start() {
	if t == nil {
		return
	}
	t.slave.Close()
	t.enter()
	t.output.Add(1)
	go t.show()
	if t.keys >= 0 {
		go t.read()
	}
}

// foreground reports whether the caller's terminal may be touched: in the background that would stop us, SIGTTOU. One
// that is not our session's has no foreground.
func (t *terminal) foreground() bool {
	group, err := unix.IoctlGetInt(t.user, unix.TIOCGPGRP)
	return err != nil || group == unix.Getpgrp()
}

// enter takes the caller's terminal, at first and after a stop, when the shell has set its own.
func (t *terminal) enter() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.away = false
	t.raw()
}

// take enters unless that was done, or the terminal was left.
func (t *terminal) take() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.before == nil && !t.away {
		t.raw()
	}
}

// raw makes the caller's terminal hand on every byte as it is: what ^C means is for the pty to say. The lock is held.
func (t *terminal) raw() {
	if t.keys < 0 || t.shared && !t.lent || !t.foreground() {
		return
	}
	now, err := unix.IoctlGetTermios(t.user, unix.TCGETS)
	if err != nil {
		return
	}
	raw := *now
	raw.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	raw.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	if !t.shared { // in a pipeline others write to it, who count on it
		raw.Oflag &^= unix.OPOST
		t.process()
	}
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	if t.before == nil {
		t.before = now
	}
	_ = unix.IoctlSetTermios(t.user, unix.TCSETSW, &raw)
}

// mayTake reports whether take has something to do, now or when we are in the foreground.
func (t *terminal) mayTake() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.before == nil && (!t.shared || t.lent)
}

// process gives the pty its output processing back, once the caller's terminal no longer does it.
func (t *terminal) process() {
	if !t.plain {
		return
	}
	master := int(t.master.Fd()) // whose settings are those of the other end
	if settings, err := unix.IoctlGetTermios(master, unix.TCGETS); err == nil {
		settings.Oflag |= unix.OPOST
		t.plain = unix.IoctlSetTermios(master, unix.TCSETS, settings) != nil
	}
}

// leave gives the caller's terminal back as it was.
func (t *terminal) leave() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.away = true
	if t.before == nil || !t.foreground() {
		return
	}
	_ = unix.IoctlSetTermios(t.user, unix.TCSETSW, t.before)
	t.before = nil
}

// finish waits for the last of the command's output, and gives the terminal back.
func (t *terminal) finish() {
	if t == nil {
		return
	}
	t.ended.Close()
	t.output.Wait()
	t.leave()
}

// close is for a command that was not started; what read still uses ends with the process.
func (t *terminal) close() {
	if t == nil {
		return
	}
	for _, f := range []*os.File{t.master, t.slave, t.ended, t.seesEnded} {
		f.Close() // nil and closed ones are errors that mean nothing here
	}
}

// interrupted ends this process as SIGINT has ended the command, where a person at a terminal waits: a shell ends its loop for
// the signal, and goes on for exit code 130, which services get (oslo-rootwrap's). It returns where SIGINT is ignored.
func interrupted(s syscall.Signal) {
	if s == unix.SIGINT && hasKeyboard() {
		signal.Reset(s)
		runtime.LockOSThread() // a signal to the very thread has come before tgkill returns
		_ = unix.Tgkill(os.Getpid(), unix.Gettid(), s)
	}
}
