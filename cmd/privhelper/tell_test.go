//go:build linux

package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// tell is a command that prints what it got: of its caller it should be nothing.
func tell(args []string) error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	env := os.Environ()
	slices.Sort(env)
	fmt.Printf("arguments %q\nenvironment %q\nfolder %s\numask %03o\n", args, env, dir, syscall.Umask(0))
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(status)) {
		switch name, _, _ := strings.Cut(line, ":"); name {
		case "Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "SigIgn", "SigBlk":
			fmt.Print(line)
		}
	}
	for fd := range 256 {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags == 0 {
			fmt.Printf("open %d\n", fd)
		}
	}
	// By a child: the Go runtime has raised this process's own soft limit, and gives children what it was.
	limits, err := exec.Command("/bin/sh", "-c", "echo hard limit of files $(ulimit -Hn), soft $(ulimit -Sn)").Output()
	fmt.Printf("%s", limits)
	return err
}
