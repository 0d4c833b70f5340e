package testenv

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// Nobody is the uid and gid that AsUser and InUserNamespace use where the test itself runs as root.
const Nobody = 65534

// AsUser makes cmd run as an ordinary user: as Nobody with no supplementary group when the test runs as root, unchanged
// when it does not. That user must be able to reach the program of cmd, as it can for Child.
func AsUser(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	attributes(cmd).Credential = &syscall.Credential{Uid: Nobody, Gid: Nobody}
}

// InUserNamespace makes cmd run as uid 0 of a new user namespace that maps one ordinary user and denies setgroups, as an
// unprivileged unshare(1) gives it. The test ends as with NeedRoot where the machine allows no such namespace.
func InUserNamespace(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	probe := exec.Command("/bin/true")
	enterUserNamespace(probe)
	if err := probe.Run(); err != nil {
		Miss(t, "needs user namespaces: "+err.Error())
	}
	enterUserNamespace(cmd)
}

func enterUserNamespace(cmd *exec.Cmd) {
	uid, gid := os.Geteuid(), os.Getegid()
	if uid == 0 {
		uid, gid = Nobody, Nobody
	}
	a := attributes(cmd)
	a.Cloneflags |= syscall.CLONE_NEWUSER
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}}
	a.GidMappingsEnableSetgroups = false
	a.Credential = &syscall.Credential{NoSetGroups: true}
}

func attributes(cmd *exec.Cmd) *syscall.SysProcAttr {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	return cmd.SysProcAttr
}
