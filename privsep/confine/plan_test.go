package confine

import (
	"strings"
	"testing"

	"github.com/privhelper/privhelper/privsep"
)

// What Apply refuses before it changes anything, and what it plans where the process has too little for all of it.
func TestNewPlan(t *testing.T) {
	const every = privsep.Capabilities(1<<41 - 1)
	netAdmin := privsep.Caps(privsep.CAP_NET_ADMIN)
	root := Status{Permitted: every, Bounding: every}
	user := Status{UID: allIDs(1000), GID: allIDs(1000), Groups: []uint32{4}, Bounding: every}
	unit := Status{UID: allIDs(998), GID: allIDs(998), Permitted: netAdmin, Bounding: every} // AmbientCapabilities=
	rootless := Status{Permitted: every, Bounding: every, Groups: []uint32{65534}, SetgroupsDenied: true}

	for _, c := range []struct {
		name       string
		spec       Spec
		now        Status
		securebits int
		refuse     string // part of the error's text
		check      func(plan) bool
	}{
		{name: "the zero Spec", now: root, check: func(p plan) bool {
			return p.keep == 0 && p.drop == every && p.setSecurebits && p.securebits == 0xef && !p.setUID && !p.setGroups && !p.noNewPrivs
		}},
		{name: "not held", spec: Spec{Keep: netAdmin | 1}, now: unit, refuse: "cannot keep CAP_CHOWN: this process"},
		{name: "not in the bounding set", spec: Spec{Keep: netAdmin}, now: Status{Permitted: every}, refuse: "CAP_NET_ADMIN: it is not in the bounding set"},
		{name: "a bounding set without commands", spec: Spec{Keep: every, Bounding: netAdmin}, now: root, refuse: "without Commands"},
		{name: "commands with more than the helper", spec: Spec{Keep: netAdmin, Bounding: netAdmin | 1, Commands: true}, now: root, refuse: "Bounding has CAP_CHOWN and Keep has not"},
		{name: "commands under NOROOT", spec: Spec{Keep: netAdmin, Bounding: netAdmin, Commands: true}, now: root, securebits: 0x2f, refuse: "securebits 0x2f"},
		{name: "commands leave securebits alone", spec: Spec{Keep: every, Bounding: netAdmin, Commands: true}, now: root, check: func(p plan) bool {
			return !p.setSecurebits && p.drop == every&^netAdmin
		}},
		{name: "foreign securebits stay", spec: Spec{}, now: root, securebits: 0x310, check: func(p plan) bool { return p.securebits == 0x3ef }},
		{name: "locked securebits need nothing", spec: Spec{Keep: netAdmin}, now: Status{Permitted: netAdmin, Bounding: netAdmin}, securebits: 0xef,
			check: func(p plan) bool { return !p.setSecurebits && !p.noNewPrivs && !p.raiseKeepCaps }},
		{name: "a bounding set that cannot be lowered", spec: Spec{Keep: netAdmin}, now: unit, refuse: "CapabilityBoundingSet="},
		{name: "securebits that cannot be locked", spec: Spec{Keep: netAdmin}, now: Status{Permitted: netAdmin, Bounding: netAdmin}, refuse: "SecureBits="},
		{name: "an ordinary user", now: user, check: func(p plan) bool { return p.noNewPrivs && p.drop == 0 && !p.setSecurebits }},
		{name: "who is that user already", spec: Spec{User: &User{UID: 1000, GID: 1000, Groups: []uint32{4, 4}}}, now: user,
			check: func(p plan) bool { return !p.setUID && !p.setGID && !p.setGroups }},
		{name: "another user", spec: Spec{User: &User{UID: 1001, GID: 1000, Groups: []uint32{4}}}, now: user, refuse: "needs CAP_SETUID"},
		{name: "another group", spec: Spec{User: &User{UID: 1000, GID: 0, Groups: []uint32{4}}}, now: user, refuse: "needs CAP_SETGID"},
		{name: "fewer groups", spec: Spec{User: &User{UID: 1000, GID: 1000}}, now: user, refuse: "needs CAP_SETGID"},
		{name: "one id of four", spec: Spec{User: &User{UID: 1000, GID: 1000}}, now: Status{UID: IDs{1000, 1000, 0, 1000}, GID: allIDs(1000), Bounding: every}, refuse: "needs CAP_SETUID"},
		{name: "groups that nobody may drop", spec: Spec{User: &User{}}, now: rootless, check: func(p plan) bool { return !p.setGroups }},
		{name: "groups that nobody may set", spec: Spec{User: &User{Groups: []uint32{7}}}, now: rootless, refuse: "setgroups is deny"},
		// sudo CVE-2019-14287.
		{name: "uid -1", spec: Spec{User: &User{UID: 1<<32 - 1}}, now: root, refuse: "uid 4294967295"},
		{name: "gid -1", spec: Spec{User: &User{GID: 1<<32 - 1}}, now: root, refuse: "gid 4294967295"},
		{name: "group -1", spec: Spec{User: &User{Groups: []uint32{1<<32 - 1}}}, now: root, refuse: "gid 4294967295"},
		{name: "too many groups", spec: Spec{User: &User{Groups: make([]uint32, 65537)}}, now: root, refuse: "at most 65536"},
	} {
		p, err := newPlan(c.spec, c.now, c.securebits)
		switch {
		case c.refuse != "":
			if err == nil || !strings.Contains(err.Error(), c.refuse) {
				t.Errorf("%s: error %v; want %q in it", c.name, err, c.refuse)
			}
		case err != nil || !c.check(p):
			t.Errorf("%s: %+v, %v", c.name, p, err)
		}
	}
}

func TestBecomeRefusesRoot(t *testing.T) {
	if err := Become(User{GID: 1000}); err == nil || !strings.Contains(err.Error(), "uid 0 is root") {
		t.Errorf("Become(uid 0): %v", err)
	}
}
