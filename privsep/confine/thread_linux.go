package confine

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

func confineThread(spec ThreadSpec) error {
	switch {
	case spec.Umask > 0o777:
		return fmt.Errorf("confine thread: umask %#o is above 0777", spec.Umask)
	case spec.Umask != 0 && !spec.HasUmask:
		return errors.New("confine thread: Umask is given without HasUmask")
	case spec.Sandbox != nil && !spec.NoNewPrivs:
		return errors.New("confine thread: a Sandbox needs NoNewPrivs, without which a setuid program would be root in it")
	}
	want, err := ReadStatus(0, unix.Gettid())
	if err != nil {
		return fmt.Errorf("confine thread: %w", err)
	}
	drop := want.Bounding &^ spec.Bounding
	switch lacking := spec.Bounding &^ want.Bounding; {
	case !spec.DropBounding && spec.Bounding != 0:
		return errors.New("confine thread: Bounding is given without DropBounding")
	case !spec.DropBounding:
		drop = 0
	case lacking != 0:
		return fmt.Errorf("confine thread: %v is not in the bounding set of this process", lacking)
	}
	want.Inheritable, want.Ambient = 0, 0
	if spec.Inherit {
		want.Inheritable = want.Permitted & want.Bounding // before that is lower: afterwards it may not be added
	}
	want.Bounding &^= drop
	want.NoNewPrivs = want.NoNewPrivs || spec.NoNewPrivs

	if err := setInheritable(want); err != nil {
		return fmt.Errorf("confine thread: %w", err)
	}

	for _, c := range drop.List() {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil {
			return fmt.Errorf("confine thread: drop %v from the bounding set: %w", c, err)
		}
	}
	if spec.NoNewPrivs {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("confine thread: set no_new_privs: %w", err)
		}
	}
	if err := addNice(want.TID, spec.Nice); err != nil {
		return fmt.Errorf("confine thread: %w", err)
	}
	if spec.HasUmask {
		if err := ownUmask(int(spec.Umask)); err != nil {
			return fmt.Errorf("confine thread: %w", err)
		}
		want.Umask = spec.Umask
	}
	now, err := ReadStatus(0, want.TID)
	if err != nil {
		return fmt.Errorf("confine thread: %w", err)
	}
	if now.Umask != want.Umask {
		return fmt.Errorf("confine thread: the umask is %03o and not %03o", now.Umask, want.Umask)
	}
	if err := sameAs(want, now); err != nil {
		return fmt.Errorf("confine thread: %w", err)
	}
	if spec.Sandbox == nil {
		return nil
	}
	if err := spec.Sandbox.enter(); err != nil { // last: /proc is a place like others
		return fmt.Errorf("confine thread: %w", err)
	}
	return nil
}

// addNice changes the nice value of one thread, which in Linux is a thread's own (sched(7)), and reads it back: what is
// beyond the limits is cut without an error.
func addNice(tid, n int) error {
	if n == 0 {
		return nil
	}
	before, err := nice(tid)
	if err != nil {
		return err
	}
	want := max(-20, min(before+n, 19))
	if err := unix.Setpriority(unix.PRIO_PROCESS, tid, want); err != nil {
		return fmt.Errorf("nice %d: %w", want, err)
	}
	if now, err := nice(tid); err != nil || now != want {
		return fmt.Errorf("the nice value is %d and not %d (%v)", now, want, err)
	}
	return nil
}

// nice returns a thread's nice value; the system call gives 20 minus it.
func nice(tid int) (int, error) {
	n, err := unix.Getpriority(unix.PRIO_PROCESS, tid)
	if err != nil {
		return 0, fmt.Errorf("read the nice value: %w", err)
	}
	return 20 - n, nil
}

// setInheritable gives the thread the inheritable set of s, mostly none, and empties its ambient one.
//
// Both go around the bounding set: uid 0 gets at exec what is inheritable beside what the bounding set allows
// (capabilities(7), "Capabilities and execution of programs by root"; the same gap as CVE-2022-24769), another uid what
// is ambient, and who started this process chose them.
func setInheritable(s Status) error {
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("clear ambient capabilities: %w", err)
	}
	if err := setThreadSets(s.Permitted, s.Effective, s.Inheritable); err != nil {
		return fmt.Errorf("set inheritable capabilities: %w", err)
	}
	return nil
}

// ownUmask gives the thread a umask and a working directory of its own; all other threads go on sharing theirs.
func ownUmask(mask int) error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("stop sharing the umask with other threads: %w", err)
	}
	unix.Umask(mask)
	return nil
}
