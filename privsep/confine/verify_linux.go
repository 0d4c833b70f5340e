package confine

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/privsep"
)

func verify(spec Spec) error {
	if err := verifyCredentials(spec); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if err := verifyProcess(); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	return nil
}

func verifyCredentials(spec Spec) error {
	if err := spec.check(); err != nil {
		return err
	}
	all, err := threads()
	if err != nil {
		return err
	}
	for _, s := range all {
		if err := difference(spec, all[0], s); err != nil {
			return err
		}
	}
	return onThrowawayThread(func() error { return tryToRegain(spec, all[0]) })
}

func verifyProcess() error {
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		return fmt.Errorf("read dumpable: %w", err)
	}
	var core unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil {
		return fmt.Errorf("read the core limit: %w", err)
	}
	dir, err := unix.Getwd() // os.Getwd would believe $PWD
	if err != nil {
		return fmt.Errorf("read the working directory: %w", err)
	}
	status, err := ReadStatus(0, 0)
	if err != nil {
		return err
	}
	switch {
	case dumpable != 0:
		return fmt.Errorf("the process is dumpable (%d)", dumpable)
	case core.Cur != 0 || core.Max != 0:
		return fmt.Errorf("the core limit is %d, at most %d, and not 0", core.Cur, core.Max)
	case dir != "/":
		return fmt.Errorf("the working directory is %s and not /", dir)
	case status.Umask != 0o077:
		return fmt.Errorf("the umask is %03o and not 077", status.Umask)
	}
	return nil
}

// tryToRegain runs on a thread that is thrown away, with calls that change this thread alone.
func tryToRegain(spec Spec, s Status) error {
	if err := verifySecurebits(spec, s); err != nil {
		return err
	}
	for c := privsep.Capability(0); c < 64; c++ {
		in, known, err := inBoundingSet(c)
		if err != nil {
			return fmt.Errorf("read %v in the bounding set: %w", c, err)
		}
		if !known {
			break
		}
		if in != spec.bounding().Has(c) && !sealed(spec, s) {
			return fmt.Errorf("the bounding set of thread %d has %v: %v, and must be %v", unix.Gettid(), c, in, !in)
		}
		if spec.Keep.Has(c) {
			continue
		}
		more := spec.Keep.With(c)
		if err := refused(setThreadCapabilities(more)); err != nil {
			return fmt.Errorf("regain %v by capset: %w", c, err)
		}
	}
	if !spec.Keep.Has(privsep.CAP_SETUID) {
		uid := otherID(s.UID.Effective)
		if err := refused(rawCall(unix.SYS_SETRESUID, uid, uid, uid)); err != nil {
			return fmt.Errorf("change to uid %d: %w", uid, err)
		}
	}
	if spec.Keep.Has(privsep.CAP_SETGID) {
		return nil
	}
	gid := otherID(s.GID.Effective)
	if err := refused(rawCall(unix.SYS_SETRESGID, gid, gid, gid)); err != nil {
		return fmt.Errorf("change to gid %d: %w", gid, err)
	}
	if err := refused(rawCall(unix.SYS_SETGROUPS, 0, 0, 0)); err != nil {
		return fmt.Errorf("change the groups: %w", err)
	}
	return nil
}

func verifySecurebits(spec Spec, s Status) error {
	securebits, err := getSecurebits()
	if err != nil {
		return err
	}
	switch ours := securebits & capabilityBits; {
	case spec.Commands && ours != 0:
		return fmt.Errorf("securebits of thread %d are 0x%x, and must be 0: commands would not get what they may", unix.Gettid(), ours)
	case !spec.Commands && ours != lockedBits && !sealed(spec, s):
		return fmt.Errorf("securebits of thread %d are 0x%x, and must be 0x%x", unix.Gettid(), ours, lockedBits)
	case !spec.Commands && ours == lockedBits:
		if err := refused(unix.Prctl(unix.PR_SET_SECUREBITS, uintptr(securebits&^noRoot), 0, 0, 0)); err != nil {
			return fmt.Errorf("clear the securebits: %w", err)
		}
	}
	return nil
}

// otherID is root, or for root somebody else: what a process without the right to it must not become. Both numbers fit
// into the 16-bit calls of 386.
func otherID(id uint32) uintptr {
	if id != 0 {
		return 0
	}
	return 65534
}

// refused turns the outcome of an attempt around: nil for EPERM, or EINVAL, which says that the user namespace has no such
// id. Success is an error, and so is any other errno, because it proves nothing.
func refused(err error) error {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EINVAL):
		return nil
	case err == nil:
		return errors.New("it worked, and must not: privileges were not given up")
	}
	return fmt.Errorf("it must be refused with EPERM, and failed otherwise: %w", err)
}
