package main

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
)

// keepsTerminal reports whether there is a terminal that a command of account must not have. Whoever can open a terminal
// from a process of its session can type into it (TIOCSTI), and what was typed is read by the shell that called us:
// CVE-2005-4890 in su, CVE-2016-2568 in pkexec, CVE-2023-28339 in doas. Root could do as it likes anyway, and a user's
// own command has the user's own terminal.
//
// The streams do not tell all: a command whose streams are pipes opens /dev/tty, the session's terminal.
func keepsTerminal(account host.Account) bool {
	if account.UID == 0 || account.UID == os.Getuid() {
		return false
	}
	for fd := range 3 {
		if isTerminal(fd) {
			return true
		}
	}
	tty, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false // and the command, with less rights, cannot open it either
	}
	unix.Close(tty)
	return true
}

// forwarded are the signals that are meant for the command when they come to us. SIGTSTP and SIGWINCH are ours to act on.
var forwarded = []os.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGCONT}

// attend starts the command in a session of its own, with a pty in the place of each stream that is a terminal, and stays
// as its parent until it ends. It returns the exit code, 128+N where signal N ended the command.
//
// The calling goroutine is locked to a thread that lives until the process ends: the kernel sends Pdeathsig when the
// thread ends that forked.
func attend(v filters.Verdict, account host.Account, env []string) (int, error) {
	t, err := newTerminal(account.UID)
	if err != nil {
		return 0, err
	}
	sys := &syscall.SysProcAttr{Setsid: true, Credential: &syscall.Credential{Uid: uint32(account.UID), Gid: uint32(account.GID)}}
	for _, g := range account.Groups {
		sys.Credential.Groups = append(sys.Credential.Groups, uint32(g))
	}
	if !v.Rule.Detached {
		sys.Pdeathsig = syscall.SIGKILL
	}
	files := []uintptr{0, 1, 2}
	if t != nil {
		sys.Setctty = true
		for fd := range files {
			if t.replaces[fd] {
				files[fd], sys.Ctty = t.slave.Fd(), fd
			}
		}
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, append(forwarded, unix.SIGTSTP, unix.SIGWINCH)...)
	pid, err := syscall.ForkExec(v.Path, v.Argv, &syscall.ProcAttr{Env: env, Files: files, Sys: sys})
	if err != nil {
		t.close()
		return 0, &os.PathError{Op: "execute", Path: v.Path, Err: err}
	}
	t.start()
	ended := make(chan struct{})
	go func() {
		// Without reaping: until we do, the number is the command's, and a signal sent to it goes nowhere else.
		for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
		}
		close(ended)
	}()
	for {
		select {
		case s := <-signals:
			pass(pid, s.(syscall.Signal), t)
			continue
		case <-ended:
		}
		break
	}
	t.finish()
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &ws, 0, nil); err != nil {
		return 0, os.NewSyscallError("wait4", err)
	}
	if ws.Signaled() {
		return 128 + int(ws.Signal()), nil
	}
	return ws.ExitStatus(), nil
}

// pass gives a signal to the command's process group, which its leader cannot leave.
func pass(pid int, s syscall.Signal, t *terminal) {
	switch s {
	case unix.SIGWINCH:
		t.resize()
		return
	case unix.SIGTSTP:
		// The kernel ignores SIGTSTP in a group without a parent in its session, so the command gets what it cannot ignore.
		// We stop the whole process from this thread, and go on when SIGCONT comes, which is forwarded.
		_ = syscall.Kill(-pid, unix.SIGSTOP)
		t.leave()
		_ = unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGSTOP)
		return
	case unix.SIGCONT:
		t.enter()
		t.resize()
	}
	_ = syscall.Kill(-pid, s) // it may have ended by itself
}
