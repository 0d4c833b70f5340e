package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/internal/spawn"
	"github.com/privhelper/privhelper/privsep/command"
	root "github.com/privhelper/privhelper/privsep/daemon/rootwrap"
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

// attend starts the command and stays as its parent until it ends: by itself, or with its rule's timeout, which takes all
// that it has started along. hidden is a command that must not have the caller's terminal: it gets a session of its own,
// with a pty in the place of each stream that is a terminal.
//
// What the command leaves behind, if its rule has a lock, a fence or a timeout, goes when it has ended, unless its rule lets it live
// on (lifetime = detached): the caller waits for nothing more.
func attend(r *filters.Rule, p *root.Prepared, confined, hidden bool) (spawn.Status, error) {
	ended := spawn.Status{}
	c := &p.Command
	var t *terminal
	if hidden {
		var err error
		if t, err = newTerminal(p.Account.UID); err != nil {
			return ended, err
		}
		t.give(c)
	}
	c.Outlives = r.Detached
	whole := len(r.Section.Locks) > 0 || r.Section.Fence != "" || r.Section.Timeout > 0
	g, err := spawn.NewGroup(spawn.Options{NoCgroup: !whole, MaxProcesses: -1})
	if err != nil {
		t.close()
		return ended, err
	}
	var setup func() error
	if confined {
		setup = p.Confine
	}
	forker, err := spawn.NewForker(setup)
	if err != nil {
		t.close()
		return ended, errors.Join(err, g.Close())
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, forwarded(hidden)...)
	if t != nil {
		t.suspend = func() { signals <- unix.SIGTSTP }
	}
	child, err := g.Start(context.Background(), forker, *c)
	if err != nil {
		t.close()
		return ended, errors.Join(err, g.Close())
	}
	t.start()
	late, err := wait(r, child, signals, t, hidden)
	t.finish()
	ended, werr := child.Wait()
	if r.Detached && ended.Code == 0 {
		_, lerr := child.LetGo()
		werr = errors.Join(werr, lerr)
	}
	if whole {
		werr = errors.Join(werr, g.Close())
	}
	if err = errors.Join(err, werr); err == nil && late {
		err = fmt.Errorf("%w (timeout = %v of rule %s)", command.ErrTimeout, r.Section.Timeout, r.Name)
	}
	return ended, err
}

// wait waits for the command's main process. late says that its time was up before.
func wait(r *filters.Rule, child *spawn.Process, signals <-chan os.Signal, t *terminal, hidden bool) (late bool, err error) {
	var timeout <-chan time.Time
	if d := r.Section.Timeout; d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		timeout = timer.C
	}
	for {
		select {
		case s := <-signals:
			if keyboard := s == unix.SIGINT || s == unix.SIGQUIT; !keyboard || hidden || !hasKeyboard() {
				pass(child, s.(syscall.Signal), t)
			} // else the command has it already
		case <-timeout:
			return true, child.KillTree()
		case <-child.Done():
			return false, nil
		}
	}
}

// forwarded are the signals that are meant for the command when they come to us. One in a session of its own gets none of
// those that the keyboard sends, and SIGTSTP and SIGWINCH are ours to act on. One in our own process group gets the
// keyboard's where there is one.
func forwarded(hidden bool) []os.Signal {
	all := []os.Signal{unix.SIGHUP, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGCONT}
	if hidden {
		return append(all, unix.SIGINT, unix.SIGQUIT, unix.SIGTSTP, unix.SIGWINCH)
	}
	return append(all, unix.SIGINT, unix.SIGQUIT)
}

// pass gives a signal to the command: in a session of its own to its process group, which its leader cannot leave.
func pass(child *spawn.Process, s syscall.Signal, t *terminal) {
	switch s {
	case unix.SIGWINCH:
		t.resize()
		return
	case unix.SIGTSTP:
		// The kernel ignores SIGTSTP in a group without a parent in its session, so the command gets what it cannot ignore.
		// We stop the whole process from this thread, and go on when SIGCONT comes, which is forwarded.
		_ = child.Signal(unix.SIGSTOP)
		t.leave()
		_ = unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGSTOP)
		return
	case unix.SIGCONT:
		t.enter()
		t.resize()
	}
	_ = child.Signal(s) // it may have ended by itself
}

// hasKeyboard reports whether this process group is the foreground of a terminal, from which the kernel sends ^C and ^\ to
// all of it.
func hasKeyboard() bool {
	tty, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(tty)
	group, err := unix.IoctlGetInt(tty, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
