package spawn

import (
	"fmt"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// Exec makes this process c, as Start would make a child of it: network, limits, groups, gid and uid, ambient
// capabilities, folder, streams and program, in this order. It returns only with an error, a *StartError, after which the
// process is half the command and must end.
//
// The calling goroutine is locked to its thread (runtime.LockOSThread): what that was confined to stays. Files keep the
// numbers that they have here, since the others may be the Go runtime's, and a stream that is nil stays what this process
// has. Dir is left as it is where it is empty. Setsid, Setctty and Outlives mean nothing.
func Exec(c Command) error {
	if err := c.validate(); err != nil {
		return err
	}
	fail := func(op string, err error) error { return &StartError{Op: op, Path: c.Path, Err: err} }
	if c.NewNetwork {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fail("make a network", err)
		}
	}
	for to, f := range []*os.File{c.Stdin, c.Stdout, c.Stderr} {
		if f == nil || int(f.Fd()) == to {
			continue
		}
		if err := unix.Dup3(int(f.Fd()), to, 0); err != nil {
			return fail("set its streams", err)
		}
	}
	for _, f := range c.Files {
		if _, err := unix.FcntlInt(f.Fd(), unix.F_SETFD, 0); err != nil {
			return fail("hand its files over", err)
		}
	}
	path := c.Path
	if c.Program != nil {
		path = fmt.Sprintf("/proc/self/fd/%d", c.Program.Fd())
	}
	for _, l := range c.Limits {
		// By package syscall, whose Exec would give back the RLIMIT_NOFILE that Go has raised, unless it was set there.
		if err := syscall.Setrlimit(l.Resource, &syscall.Rlimit{Cur: l.Soft, Max: l.Hard}); err != nil {
			return fail(fmt.Sprintf("set limit %d", l.Resource), err)
		}
	}
	if err := c.becomeUser(); err != nil {
		return fail("take the command's ids or capabilities", err)
	}
	if c.Dir != "" {
		if err := syscall.Chdir(c.Dir); err != nil { // of this thread, where that has a folder of its own
			return fail("working directory "+c.Dir, err)
		}
	}
	return fail("execute", syscall.Exec(path, c.Argv, c.Env))
}

// takeIDs changes the ids that are others: each change stops all threads, a twentieth of a millisecond.
func takeIDs(cr *syscall.Credential) error {
	groups := make([]int, len(cr.Groups))
	for i, g := range cr.Groups {
		groups[i] = int(g)
	}
	if now, err := syscall.Getgroups(); err != nil || !slices.Equal(now, groups) {
		if err := syscall.Setgroups(groups); err != nil {
			return fmt.Errorf("groups %v: %w", groups, err)
		}
	}
	gid, uid := int(cr.Gid), int(cr.Uid)
	if real, effective, saved := unix.Getresgid(); real != gid || effective != gid || saved != gid {
		if err := syscall.Setgid(gid); err != nil {
			return fmt.Errorf("gid %d: %w", gid, err)
		}
	}
	if real, effective, saved := unix.Getresuid(); real != uid || effective != uid || saved != uid {
		if err := syscall.Setuid(uid); err != nil {
			return fmt.Errorf("uid %d: %w", uid, err)
		}
	}
	return nil
}

// becomeUser gives this process the ids of the command, and the calling thread its ambient capabilities. Go's calls change
// the ids of every thread; that the others have a wider bounding set does not matter to them: all answer alike, and none
// but this one lives on.
func (c *Command) becomeUser() error {
	if len(c.AmbientCaps) > 0 {
		if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
			return err
		}
	}
	if cr := c.Credential; cr != nil {
		if err := takeIDs(cr); err != nil {
			return err
		}
	}
	if len(c.AmbientCaps) == 0 {
		return nil
	}
	var set uint64
	for _, cap := range c.AmbientCaps {
		set |= 1 << cap
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	low, high := uint32(set), uint32(set>>32)
	data := [2]unix.CapUserData{
		{Permitted: low, Effective: low, Inheritable: low},
		{Permitted: high, Effective: high, Inheritable: high},
	}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return err
	}
	for _, cap := range c.AmbientCaps {
		if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, cap, 0, 0); err != nil {
			return err
		}
	}
	return nil
}
