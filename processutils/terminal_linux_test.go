package processutils_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/processutils"
)

// A command of a program that has a terminal does not have it, so that one which would ask for a password there fails at
// once; with KeepTerminal it does. The sessions say the same.
func TestTerminal(t *testing.T) {
	pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer pty.Close()
	n, err := unix.IoctlGetInt(int(pty.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(pty.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	child := testenv.Child(t, "terminal")
	child.Stdin = terminal
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	got := strings.TrimSpace(string(testenv.Output(t, child)))
	if want := "false: no terminal, its own session\ntrue: a terminal, the caller's session"; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// onTerminal is the program that has a terminal.
func onTerminal([]string) error {
	own, err := unix.Getsid(0)
	if err != nil {
		return err
	}
	for _, keep := range []bool{false, true} {
		c := processutils.Shell(`if (: </dev/tty) 2>/dev/null; then echo a terminal; else echo no terminal; fi; cut -d ' ' -f 6 /proc/self/stat`)
		c.KeepTerminal = keep
		res, err := local.Run(context.Background(), c)
		if err != nil {
			return err
		}
		has, session, _ := strings.Cut(strings.TrimSpace(res.Stdout.String()), "\n")
		whose := "its own session"
		if session == fmt.Sprint(own) {
			whose = "the caller's session"
		}
		fmt.Printf("%v: %s, %s\n", keep, has, whose)
	}
	return nil
}
