package lockcmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// wrap runs the command with a private folder of locks, as oslo's lockutils-wrapper does for tests, and removes that
// when the command has ended.
func wrap(path string, command []string, stderr io.Writer) int {
	folder, err := os.MkdirTemp("", "locks")
	if err != nil {
		fmt.Fprintf(stderr, "privhelper lock: %v\n", err)
		return exitBadLock
	}
	code, err := runIn(folder, path, command)
	if err := errors.Join(err, os.RemoveAll(folder)); err != nil {
		fmt.Fprintf(stderr, "privhelper lock: %v\n", err)
	}
	return code
}

func runIn(folder, path string, command []string) (int, error) {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, forwarded...)
	defer signal.Stop(signals)

	cmd := exec.Command(path)
	cmd.Args = command
	cmd.Env = append(os.Environ(), "OSLO_LOCK_PATH="+folder)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return exitNotExecutable, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			if fromTerminal(s) {
				continue
			}
			if err := cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
				return exitNotExecutable, err
			}
		case err := <-ended:
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				return exitNotExecutable, err
			}
			status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if ok && status.Signaled() {
				return 128 + int(status.Signal()), nil
			}
			return cmd.ProcessState.ExitCode(), nil
		}
	}
}

// forwarded are the signals that end or tell a process, and that can be passed on.
var forwarded = []os.Signal{
	unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGWINCH, unix.SIGCONT,
}

// fromTerminal reports whether the command has the signal too: a terminal sends these to the whole foreground, and a
// second one is a harder word to many programs.
func fromTerminal(s os.Signal) bool {
	if s != unix.SIGINT && s != unix.SIGQUIT && s != unix.SIGWINCH {
		return false
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	defer tty.Close()
	foreground, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && foreground == unix.Getpgrp()
}
