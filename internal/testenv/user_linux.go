package testenv

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// Nobody is the uid and gid that AsUser and InUserNamespace use where the test itself runs as root.
const Nobody = 65534

// AsUser makes cmd run as an ordinary user: as Nobody with no supplementary group when the test runs as root, unchanged
// when it does not.
func AsUser(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	reachable(t, cmd)
	attributes(cmd).Credential = &syscall.Credential{Uid: Nobody, Gid: Nobody}
}

// InUserNamespace makes cmd run as uid 0 of a new user namespace that maps one ordinary user and denies setgroups, as an
// unprivileged unshare(1) gives it. The test ends as with NeedRoot where the machine allows no such namespace.
func InUserNamespace(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	probe := exec.Command("/bin/true")
	enterUserNamespace(probe)
	if err := probe.Run(); err != nil {
		miss(t, "needs user namespaces: "+err.Error())
	}
	reachable(t, cmd)
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

// reachable moves the program of cmd to a folder that every user may enter: `go test` builds in one of mode 0700. It is
// linked where that works, because a fresh copy may still be open for writing in somebody's fork (ETXTBSY).
func reachable(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	dir, err := os.MkdirTemp("", "testenv")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, filepath.Base(cmd.Path))
	if os.Link(cmd.Path, path) != nil {
		if err := copyProgram(path, cmd.Path); err != nil {
			t.Fatal(err)
		}
	}
	cmd.Path = path
}

func copyProgram(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
