package confine

import (
	"fmt"

	"github.com/privhelper/privhelper/privsep"
)

// difference compares one thread with spec and names the first line of its status that is not as it must be. first is
// the main thread of the same process: ids that spec leaves alone must still be the same everywhere.
func difference(spec Spec, first, s Status) error {
	want := Status{
		UID: first.UID, GID: first.GID, Groups: first.Groups,
		Permitted: spec.Keep, Effective: spec.Keep, Bounding: spec.bounding(),
		NoNewPrivs: spec.NoNewPrivs || s.NoNewPrivs,
	}
	if spec.User != nil {
		want.UID, want.GID = allIDs(spec.User.UID), allIDs(spec.User.GID)
		if !s.SetgroupsDenied || len(spec.User.Groups) != 0 {
			want.Groups = spec.User.Groups
		}
	}
	if sealed(spec, s) {
		want.Bounding = s.Bounding
	}
	return sameAs(want, s)
}

// sealed says that exec gives the thread nothing, whatever its bounding set and securebits are: it keeps no capability,
// and no_new_privs lets it gain none. Apply leaves both alone where it lacks CAP_SETPCAP.
func sealed(spec Spec, s Status) bool {
	return spec.Keep == 0 && s.NoNewPrivs
}

// sameAs names the first line in which the privileges of s are not those of want.
func sameAs(want, s Status) error {
	for _, line := range []statusLine{
		{"Uid", s.UID == want.UID, describeIDs("uid", s.UID), describeIDs("uid", want.UID)},
		{"Gid", s.GID == want.GID, describeIDs("gid", s.GID), describeIDs("gid", want.GID)},
		{"Groups", sameGroups(s.Groups, want.Groups), fmt.Sprint(s.Groups), fmt.Sprint(want.Groups)},
		setLine("CapInh", s.Inheritable, want.Inheritable),
		setLine("CapPrm", s.Permitted, want.Permitted),
		setLine("CapEff", s.Effective, want.Effective),
		setLine("CapBnd", s.Bounding, want.Bounding),
		setLine("CapAmb", s.Ambient, want.Ambient),
		{"NoNewPrivs", s.NoNewPrivs == want.NoNewPrivs, fmt.Sprint(s.NoNewPrivs), fmt.Sprint(want.NoNewPrivs)},
	} {
		if !line.same {
			return fmt.Errorf("thread %d of process %d: %s in its /proc status is %s, and must be %s", s.TID, s.PID, line.name, line.have, line.want)
		}
	}
	return nil
}

type statusLine struct {
	name       string
	same       bool
	have, want string
}

func setLine(name string, have, want privsep.Capabilities) statusLine {
	return statusLine{name, have == want, describeSet(have), describeSet(want)}
}
