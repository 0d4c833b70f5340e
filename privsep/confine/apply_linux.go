package confine

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/privhelper/privhelper/privsep"
)

func apply(spec Spec) error {
	if err := giveUp(spec); err != nil {
		return fmt.Errorf("confine: %w", err)
	}
	if err := settle(); err != nil {
		return fmt.Errorf("confine: %w", err)
	}
	return nil
}

// giveUp changes the credentials of all threads: it plans and then does what is planned.
func giveUp(spec Spec) error {
	all, err := threads()
	if err != nil {
		return err
	}
	now := all[0]
	for _, s := range all[1:] {
		if err := sameAs(now, s); err != nil {
			return fmt.Errorf("%w: confine the process before any of its threads", err)
		}
	}
	securebits, err := getSecurebits()
	if err != nil {
		return err
	}
	p, err := newPlan(spec, now, securebits)
	if err != nil {
		return err
	}
	if p.drop == 0 {
		return p.act() // a few steps
	}
	back := onOneCPU(all)
	return errors.Join(p.act(), back())
}

// act goes from what needs most privilege to what needs least. Each step is one system call in all threads (libcap's psx),
// and left out where it would change nothing: all threads are alike.
func (p plan) act() error {
	if p.raise {
		if err := setCapabilities(p.hold); err != nil {
			return fmt.Errorf("put into effect what is permitted: %w", err)
		}
	}
	for _, c := range p.drop.List() {
		if err := cap.DropBound(cap.Value(c)); err != nil {
			return fmt.Errorf("drop %v from the bounding set: %w", c, err)
		}
	}
	// Not cap.ResetAmbient: it asks one thread whether there is anything to clear.
	if p.clearAmbient {
		if err := prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL); err != nil {
			return fmt.Errorf("clear ambient capabilities: %w", err)
		}
	}
	if err := p.becomeUser(); err != nil {
		return err
	}
	if p.setSecurebits {
		// CAP_SETPCAP stays for the securebits; whoever does not keep it loses it after them.
		if err := setCapabilities(p.keep | p.hold&privsep.Caps(privsep.CAP_SETPCAP)); err != nil {
			return fmt.Errorf("keep %v: %w", p.keep, err)
		}
		if err := prctl(unix.PR_SET_SECUREBITS, uintptr(p.securebits)); err != nil {
			return fmt.Errorf("lock securebits 0x%x: %w", p.securebits, err)
		}
	}
	// Always: it clears the inheritable set, and with it the ambient one (CVE-2022-29162 in runc).
	if err := setCapabilities(p.keep); err != nil {
		return fmt.Errorf("keep %v: %w", p.keep, err)
	}
	if p.noNewPrivs {
		if err := prctl(unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
			return fmt.Errorf("set no_new_privs: %w", err)
		}
	}
	return nil
}

// becomeUser sets groups, gid and uid together and in this order: with the uid the right to the others goes, and doas kept
// root's groups for its commands (CVE-2019-15901).
//
// The standard library's calls and not libcap's: cap.SetUID uses the 16-bit setuid of 386, where uid 65536 is 0.
func (p plan) becomeUser() error {
	if p.setGroups {
		groups := make([]int, len(p.user.Groups))
		for i, gid := range p.user.Groups {
			groups[i] = int(gid)
		}
		if err := syscall.Setgroups(groups); err != nil {
			return fmt.Errorf("set groups %v: %w", p.user.Groups, unmapped(err))
		}
	}
	if gid := int(p.user.GID); p.setGID {
		if err := syscall.Setresgid(gid, gid, gid); err != nil {
			return fmt.Errorf("set gid %d: %w", p.user.GID, unmapped(err))
		}
	}
	if !p.setUID {
		return nil
	}
	if p.raiseKeepCaps {
		if err := prctl(unix.PR_SET_KEEPCAPS, 1); err != nil {
			return fmt.Errorf("keep capabilities over the change of uid: %w", err)
		}
	}
	uid := int(p.user.UID)
	if err := syscall.Setresuid(uid, uid, uid); err != nil {
		return fmt.Errorf("set uid %d: %w", p.user.UID, unmapped(err))
	}
	if p.raiseKeepCaps {
		if err := prctl(unix.PR_SET_KEEPCAPS, 0); err != nil {
			return fmt.Errorf("end keeping capabilities: %w", err)
		}
	}
	return nil
}

// unmapped says what EINVAL means for an id: the number itself was checked.
func unmapped(err error) error {
	if errors.Is(err, syscall.EINVAL) {
		return fmt.Errorf("this user namespace does not map it (/proc/self/uid_map, gid_map): %w", err)
	}
	return err
}

// settle sets what belongs to the whole process. Not dumpable comes after the change of uid, which sets it anew.
//
// A child that is started with another uid by a vfork of this process sets it anew too, to fs.suid_dumpable.
func settle() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("set not dumpable: %w", err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("set core limit 0: %w", err)
	}
	unix.Umask(0o077)
	if err := os.Chdir("/"); err != nil {
		return fmt.Errorf("leave the working directory: %w", err)
	}
	return nil
}

// setCapabilities makes set the permitted and effective set of all threads, and their inheritable set empty.
func setCapabilities(set privsep.Capabilities) error {
	values := make([]cap.Value, 0, 64)
	for _, c := range set.List() {
		values = append(values, cap.Value(c))
	}
	caps := cap.NewSet()
	for _, flag := range []cap.Flag{cap.Permitted, cap.Effective} {
		if err := caps.SetFlag(flag, true, values...); err != nil {
			return err
		}
	}
	return caps.SetProc()
}

// prctl acts on all threads.
func prctl(option, arg uintptr) error {
	_, err := cap.Prctlw(option, arg)
	return err
}
