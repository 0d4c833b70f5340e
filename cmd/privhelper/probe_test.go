//go:build linux

package main_test

import (
	"fmt"
	"os"
	"os/signal"
	"strings"

	"golang.org/x/sys/unix"
)

// probe is a command that types into every terminal that it can open, and then says who it is. What it says goes to the
// file that its argument names, so that it works whatever its streams are.
func probe(args []string) error {
	var said strings.Builder
	sid, err := unix.Getsid(0)
	if err != nil {
		return err
	}
	fmt.Fprintf(&said, "uid %d session %t\n", os.Getuid(), sid == os.Getpid())
	terminals := []int{0, 1, 2}
	if fd, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_NOCTTY, 0); err == nil {
		terminals = append(terminals, fd)
	}
	for _, fd := range terminals {
		if _, err := unix.IoctlGetTermios(fd, unix.TCGETS); err != nil {
			continue
		}
		if err := unix.IoctlSetString(fd, unix.TIOCSTI, "!"); err != nil {
			fmt.Fprintf(&said, "%d: %v\n", fd, err)
		} else {
			fmt.Fprintf(&said, "%d: typed\n", fd)
		}
	}
	return os.WriteFile(args[0], []byte(said.String()), 0o600)
}

// catch is a command that waits for a signal, and exits with 9 if it is the one that its argument names.
func catch(args []string) error {
	signals := make(chan os.Signal, 100)
	signal.Notify(signals)
	fmt.Println("ready")
	for s := range signals {
		switch s {
		case unix.SIGURG, unix.SIGCONT: // the runtime's own; what follows a hang-up
			continue
		case unix.SignalNum(args[0]):
			os.Exit(9)
		}
		return fmt.Errorf("caught %v", s)
	}
	return nil
}
