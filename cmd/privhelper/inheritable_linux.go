package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// clearInheritable empties the calling thread's inheritable and ambient sets. Both go around the bounding set: a command
// of uid 0 gets at exec what is inheritable as well as what is in the bounding set (capabilities(7), "Capabilities and
// execution of programs by root"; the same gap as CVE-2022-24769), and its caller chose what is inheritable.
func clearInheritable() error {
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl PR_CAP_AMBIENT_CLEAR_ALL", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return os.NewSyscallError("capget", err)
	}
	sets[0].Inheritable, sets[1].Inheritable = 0, 0
	return os.NewSyscallError("capset", unix.Capset(&header, &sets[0]))
}
