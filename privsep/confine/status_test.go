package confine

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/privsep"
)

const statusText = `Name:	dnsmasq\nUid:\t0
Umask:	0077
State:	S (sleeping)
Tgid:	4242
Pid:	4243
Uid:	998	998	998	998
Gid:	997	997	997	997
Groups:	4 24 
CapInh:	0000000000000000
CapPrm:	0000000000001000
CapEff:	0000000000001000
CapBnd:	000001fffeffffff
CapAmb:	0000000000000000
NoNewPrivs:	1
`

func TestParseStatus(t *testing.T) {
	s, err := parseStatus([]byte(statusText))
	if err != nil {
		t.Fatal(err)
	}
	netAdmin := privsep.Caps(privsep.CAP_NET_ADMIN)
	if s.PID != 4242 || s.TID != 4243 || s.UID != allIDs(998) || s.GID != allIDs(997) || len(s.Groups) != 2 ||
		s.Permitted != netAdmin || s.Effective != netAdmin || s.Bounding != 0x1fffeffffff || !s.NoNewPrivs || s.Umask != 0o77 {
		t.Errorf("%+v", s)
	}
	for _, c := range []struct{ old, new, want string }{
		{"CapAmb:\t0000000000000000\n", "", "no line CapAmb"},
		{"NoNewPrivs:\t1\n", "", "Linux 4.10"},
		{"Uid:\t998\t998\t998\t998\n", "Uid:\t998\t998\t998\n", "line Uid: 3 ids"},
		{"Uid:\t998", "Uid:\t-1", "line Uid"},
		{"Groups:\t4 24", "Groups:\t4 4294967295", "line Groups"},
		{"CapPrm:\t0000000000001000", "CapPrm:\t1000000000000001000", "line CapPrm"},
		{"CapEff:", "CapPrm:", "line CapPrm comes twice"},
	} {
		_, err := parseStatus([]byte(strings.Replace(statusText, c.old, c.new, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q instead of %q: error %v; want %q in it", c.new, c.old, err, c.want)
		}
	}
	// A process that has ended has no Umask line.
	if _, err := parseStatus([]byte(strings.Replace(statusText, "Umask:\t0077\n", "", 1))); err != nil {
		t.Error(err)
	}
}

func FuzzParseStatus(f *testing.F) {
	f.Add([]byte(statusText))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := parseStatus(text)
		if err == nil && Describe(s) == "" {
			t.Error("a status without a description")
		}
	})
}

func TestReadStatus(t *testing.T) {
	for _, pid := range []int{0, os.Getpid()} {
		if s, err := ReadStatus(pid, 0); err != nil || s.PID != os.Getpid() || s.TID != s.PID || int(s.UID.Real) != os.Getuid() {
			t.Errorf("ReadStatus(%d, 0): %+v, %v", pid, s, err)
		}
	}
	// Above the largest pid_max that Linux allows.
	if _, err := ReadStatus(1<<22+1, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a process that cannot be: %v", err)
	}
}

func TestDescribe(t *testing.T) {
	s, err := parseStatus([]byte(statusText))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		change func(*Status)
		want   string
	}{
		{func(*Status) {}, "pid 4242, thread 4243, uid 998, gid 997, groups 4 24, capabilities CAP_NET_ADMIN, " +
			"bounding set all 41 but CAP_SYS_RESOURCE, no_new_privs yes"},
		{func(s *Status) {
			*s = Status{PID: 1, TID: 1, Permitted: 1<<41 - 1, Effective: 1<<41 - 1, Bounding: 1<<41 - 1}
		}, "pid 1, uid 0, gid 0, no supplementary groups, capabilities all 41, bounding set all 41, no_new_privs no"},
		{func(s *Status) {
			*s = Status{PID: 1, TID: 1, UID: IDs{1000, 0, 0, 0}, Permitted: 1, Inheritable: 2, Ambient: 4, Bounding: 1<<42 - 1,
				Groups: []uint32{65534}, SetgroupsDenied: true}
		}, "pid 1, uid 1000 (effective 0, saved 0, file system 0), gid 0, groups 65534 (this user namespace lets nobody drop groups), " +
			"capabilities in effect none, permitted CAP_CHOWN, inheritable CAP_DAC_OVERRIDE, ambient CAP_DAC_READ_SEARCH, " +
			"bounding set all 42, no_new_privs no"},
	} {
		s := s
		c.change(&s)
		if got := Describe(s); got != c.want {
			t.Errorf("\n got %s\nwant %s", got, c.want)
		}
	}
}
