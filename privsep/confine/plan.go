package confine

import (
	"fmt"

	"github.com/privhelper/privhelper/privsep"
)

// Securebits of prctl(2), each followed by its lock.
const (
	noRoot         = 1 << 0
	noSetuidFixup  = 1 << 2
	keepCaps       = 1 << 4
	keepCapsLocked = 1 << 5
	noAmbientRaise = 1 << 6

	// lockedBits is 0xef: noRoot, noSetuidFixup and noAmbientRaise on and keepCaps off, with all four locks.
	lockedBits = noRoot | noRoot<<1 | noSetuidFixup | noSetuidFixup<<1 | keepCapsLocked | noAmbientRaise | noAmbientRaise<<1

	// capabilityBits are the bits that bear on capabilities. Linux 6.14 has others above them, which are left as they are.
	capabilityBits = 0xff
)

// plan is what Apply will do: decided from the Spec and from what the process is, before anything is changed.
type plan struct {
	hold privsep.Capabilities // permitted and effective while working: what the process had
	keep privsep.Capabilities
	drop privsep.Capabilities // from the bounding set

	raise        bool // not all that is permitted is in effect
	clearAmbient bool

	user                      User
	setGroups, setGID, setUID bool

	// raiseKeepCaps is false where NO_SETUID_FIXUP does the same and KEEP_CAPS may be locked.
	raiseKeepCaps bool

	setSecurebits bool
	securebits    int

	noNewPrivs bool
}

// newPlan refuses what cannot be reached from now. securebits are those of the process, all threads alike.
func newPlan(spec Spec, now Status, securebits int) (plan, error) {
	if err := spec.check(); err != nil {
		return plan{}, err
	}
	p := plan{
		hold:          now.Permitted,
		keep:          spec.Keep,
		drop:          now.Bounding &^ spec.bounding(),
		raise:         now.Effective != now.Permitted,
		clearAmbient:  now.Ambient != 0,
		raiseKeepCaps: securebits&noSetuidFixup == 0,
		securebits:    securebits&^keepCaps | lockedBits,
		noNewPrivs:    spec.NoNewPrivs,
	}
	p.setSecurebits = !spec.Commands && p.securebits != securebits

	if lacking := spec.Keep &^ now.Permitted; lacking != 0 {
		return plan{}, fmt.Errorf("cannot keep %v: this process does not have it; start it with more or ask for less", lacking)
	}
	if lacking := spec.bounding() &^ now.Bounding; lacking != 0 {
		return plan{}, fmt.Errorf("cannot keep %v: it is not in the bounding set of this process; start it with more (systemd: CapabilityBoundingSet=) or ask for less", lacking)
	}
	if on := securebits & (noRoot | noSetuidFixup | noAmbientRaise); spec.Commands && on != 0 {
		return plan{}, fmt.Errorf("securebits 0x%x are set: commands would not get the capabilities that they are allowed; start this process without them (systemd: SecureBits=)", securebits)
	}
	if err := p.planSeal(spec, now); err != nil {
		return plan{}, err
	}
	return p, p.planUser(spec, now)
}

func (s Spec) check() error {
	if !s.Commands && s.Bounding != 0 && s.Bounding != s.Keep {
		return fmt.Errorf("Spec.Bounding is %v without Commands: the bounding set is Keep then", s.Bounding)
	}
	if more := s.bounding() &^ s.Keep; more != 0 {
		return fmt.Errorf("Spec.Bounding has %v and Keep has not: a command that gets it would outlive a killed helper", more)
	}
	if s.User != nil {
		return s.User.check()
	}
	return nil
}

// planSeal sees to it that nothing can be regained at exec: by the bounding set and securebits, which take CAP_SETPCAP, or
// for a process that keeps nothing by no_new_privs, which takes no privilege.
func (p *plan) planSeal(spec Spec, now Status) error {
	if now.Permitted.Has(privsep.CAP_SETPCAP) || p.drop == 0 && !p.setSecurebits {
		return nil
	}
	if spec.Keep != 0 {
		what := "lock the securebits (systemd: SecureBits=noroot-locked no-setuid-fixup-locked keep-caps-locked)"
		if p.drop != 0 {
			what = fmt.Sprintf("take %v out of the bounding set (systemd: CapabilityBoundingSet=)", p.drop)
		}
		return fmt.Errorf("to %s needs CAP_SETPCAP, which this process does not have: start it with that, or already so", what)
	}
	p.drop, p.setSecurebits, p.noNewPrivs = 0, false, true
	return nil
}

// planUser changes only the ids that differ, so that a process which already is that user needs no capability for it.
func (p *plan) planUser(spec Spec, now Status) error {
	if spec.User == nil {
		return nil
	}
	u := *spec.User
	p.user = u
	p.setUID = now.UID != allIDs(u.UID)
	p.setGID = now.GID != allIDs(u.GID)
	p.setGroups = !sameGroups(now.Groups, u.Groups)
	if p.setGroups && now.SetgroupsDenied {
		if len(u.Groups) != 0 {
			return fmt.Errorf("groups %v: this user namespace lets nobody set groups (/proc/self/setgroups is deny)", u.Groups)
		}
		p.setGroups = false
	}
	if p.setUID && !now.Permitted.Has(privsep.CAP_SETUID) {
		return fmt.Errorf("uid %d instead of %d: needs CAP_SETUID, which this process does not have", u.UID, now.UID.Effective)
	}
	if (p.setGID || p.setGroups) && !now.Permitted.Has(privsep.CAP_SETGID) {
		return fmt.Errorf("gid %d and groups %v: needs CAP_SETGID, which this process does not have", u.GID, u.Groups)
	}
	return nil
}

func allIDs(id uint32) IDs { return IDs{Real: id, Effective: id, Saved: id, FS: id} }
