package privsep_test

import (
	"strings"
	"testing"

	"github.com/privhelper/privhelper/privsep"
)

func TestParseCapability(t *testing.T) {
	for _, c := range []struct {
		name string
		want privsep.Capability
		err  string // part of the error's text
	}{
		{name: "CAP_CHOWN", want: privsep.CAP_CHOWN},
		{name: "CAP_NET_ADMIN", want: 12},
		{name: "cap_net_admin", want: privsep.CAP_NET_ADMIN},
		{name: "Cap_SysLog", want: privsep.CAP_SYSLOG},
		{name: "CAP_CHECKPOINT_RESTORE", want: 40},
		{name: "NET_ADMIN", err: "nearest is CAP_NET_ADMIN"},
		{name: "net_admn", err: "nearest is CAP_NET_ADMIN"},
		{name: "CAP_NETADMIN", err: "nearest is CAP_NET_ADMIN"},
		{name: "CAP_SYS_PTRCE", err: "nearest is CAP_SYS_PTRACE"},
		{name: "", err: "begin with CAP_"},
		{name: "CAP_", err: "nearest is"},
		{name: "12", err: "begin with CAP_"},
		{name: " CAP_KILL", err: "nearest is CAP_KILL"},
		{name: "CAP_KıLL", err: "nearest is CAP_KILL"},            // U+0131, whose upper case is I
		{name: "CAP_ſYS_ADMIN", err: "nearest is CAP_SYS_ADMIN"},  // U+017F, whose upper case is S
		{name: "CAP_KILL\x1b[2J", err: `\x1b`},                    // escaped, as it may reach a terminal
		{name: "CAP_" + strings.Repeat("A", 1<<20), err: "bytes"}, // no megabyte in the error
		{name: "all", err: "no way to say all"},
		{name: "CAP_ALL", err: "no way to say all"},
	} {
		got, err := privsep.ParseCapability(c.name)
		switch {
		case c.err == "" && (err != nil || got != c.want):
			t.Errorf("%.40q: %v, %v; want %v", c.name, got, err, c.want)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%.40q: error %v; want %q in it", c.name, err, c.err)
		case err != nil && len(err.Error()) > 200:
			t.Errorf("%.40q: an error of %d bytes", c.name, len(err.Error()))
		}
	}
}

func TestCapabilityNames(t *testing.T) {
	for c := privsep.Capability(0); c <= privsep.CAP_CHECKPOINT_RESTORE; c++ {
		if got, err := privsep.ParseCapability(c.String()); err != nil || got != c {
			t.Errorf("%d: its own name %v is read as %v, %v", uint8(c), c, got, err)
		}
	}
	// A capability of a newer kernel is shown, and never hidden.
	if got := privsep.Capability(41).String(); got != "41" {
		t.Errorf("unknown capability: %q", got)
	}
}

func TestCapabilities(t *testing.T) {
	set := privsep.Caps(privsep.CAP_NET_RAW, privsep.CAP_CHOWN, privsep.CAP_NET_RAW)
	if uint64(set) != 1<<13|1 || set.String() != "CAP_CHOWN,CAP_NET_RAW" || len(set.List()) != 2 {
		t.Errorf("%#x %v %v", uint64(set), set, set.List())
	}
	set = set.Without(privsep.CAP_CHOWN, privsep.CAP_BPF).With(privsep.CAP_BPF)
	if set.Has(privsep.CAP_CHOWN) || !set.Has(privsep.CAP_BPF) || set.Has(64) || set.Has(255) {
		t.Errorf("%v", set)
	}
	if none := privsep.Caps(); none.String() != "" || none.List() != nil || none.Has(0) {
		t.Errorf("the empty set: %q %v", none, none.List())
	}
	defer func() {
		if recover() == nil {
			t.Error("Caps(64) is silently the empty set")
		}
	}()
	privsep.Caps(64)
}

func TestParseCapabilities(t *testing.T) {
	want := privsep.Caps(privsep.CAP_SETUID, privsep.CAP_NET_ADMIN)
	for _, list := range []string{"CAP_SETUID,CAP_NET_ADMIN", "cap_net_admin CAP_SETUID", " CAP_NET_ADMIN ,\tCAP_SETUID,\nCAP_SETUID"} {
		if got, err := privsep.ParseCapabilities(list); err != nil || got != want {
			t.Errorf("%q: %v, %v", list, got, err)
		}
	}
	for _, list := range []string{"", "  ", ","} {
		if got, err := privsep.ParseCapabilities(list); err != nil || got != 0 {
			t.Errorf("%q: %v, %v", list, got, err)
		}
	}
	for _, list := range []string{"all", "ALL", "CAP_KILL,all", "CAP_KILL;CAP_CHOWN", "CAP_KILL+ep", "-CAP_KILL", "CAP_KILL\u00a0CAP_CHOWN"} {
		if got, err := privsep.ParseCapabilities(list); err == nil || got != 0 {
			t.Errorf("%q: %v, %v; want an error and the empty set", list, got, err)
		}
	}
}

func FuzzParseCapabilities(f *testing.F) {
	f.Add("CAP_NET_ADMIN, cap_setuid")
	f.Add("all")
	f.Fuzz(func(t *testing.T, list string) {
		set, err := privsep.ParseCapabilities(list)
		if err != nil {
			return
		}
		if set>>(privsep.CAP_CHECKPOINT_RESTORE+1) != 0 {
			t.Errorf("%q gave a capability without a name: %v", list, set)
		}
		if again, err := privsep.ParseCapabilities(set.String()); err != nil || again != set {
			t.Errorf("%q: %v is read back as %v, %v", list, set, again, err)
		}
	})
}
