package confine

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep"
)

var (
	netAdmin = privsep.Caps(privsep.CAP_NET_ADMIN)

	// helper is what a helper with commands keeps besides.
	helper = privsep.Caps(privsep.CAP_NET_ADMIN, privsep.CAP_SETPCAP, privsep.CAP_SETUID, privsep.CAP_SETGID, privsep.CAP_KILL)
)

const noCaps = "0000000000000000"

func hex(set privsep.Capabilities) string { return fmt.Sprintf("%016x", uint64(set)) }

func TestNamesAreTheKernels(t *testing.T) {
	for c := privsep.Capability(0); c < privsep.Capability(cap.NamedCount); c++ {
		if got := strings.ToUpper(cap.Value(c).String()); got != c.String() {
			t.Errorf("capability %d is %v, and libcap's %s", uint8(c), c, got)
		}
	}
}

// start is how a child comes into the world before it confines itself.
type start func(testing.TB, *exec.Cmd)

func asRoot(t testing.TB, cmd *exec.Cmd) {
	testenv.NeedRoot(t)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Groups: []uint32{4, 24}}}
}

// asUnit starts as systemd does with User= and AmbientCapabilities=: an ordinary user with inheritable and ambient
// capabilities.
func asUnit(c ...privsep.Capability) start {
	return func(t testing.TB, cmd *exec.Cmd) {
		testenv.NeedRoot(t)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65533, Gid: 65533, Groups: []uint32{4}}}
		for _, one := range c {
			cmd.SysProcAttr.AmbientCaps = append(cmd.SysProcAttr.AmbientCaps, uintptr(one))
		}
	}
}

func child(t *testing.T, begin start, name string, arg any) report {
	t.Helper()
	text, err := json.Marshal(arg)
	if err != nil {
		t.Fatal(err)
	}
	cmd := testenv.Child(t, name, string(text))
	begin(t, cmd)
	var r report
	if err := json.Unmarshal(testenv.Output(t, cmd), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

type applyCase struct {
	name       string
	start      start
	spec       Spec
	want       lines // of every thread; CapInh and CapAmb are always empty
	securebits int
	command    lines // of a command that is started afterwards
}

func applyCases() []applyCase {
	own := &User{UID: testenv.Nobody, GID: testenv.Nobody, Groups: []uint32{9, 7}}
	ids := strings.TrimSpace(strings.Repeat("65534 ", 4))
	none := lines{"CapPrm": noCaps, "CapEff": noCaps, "CapBnd": noCaps}
	only := lines{"CapPrm": hex(netAdmin), "CapEff": hex(netAdmin), "CapBnd": hex(netAdmin)}
	return []applyCase{
		{"the zero Spec, as root", asRoot, Spec{}, none.with("Uid", "0 0 0 0", "Groups", "4 24", "NoNewPrivs", "0"), 0xef, none},
		// runc CVE-2022-29162: inheritable capabilities were left to the process.
		{"inheritable and ambient capabilities", asUnit(privsep.CAP_NET_ADMIN, privsep.CAP_NET_RAW, privsep.CAP_SETPCAP),
			Spec{Keep: netAdmin}, only.with("Uid", "65533 65533 65533 65533"), 0xef,
			lines{"CapPrm": noCaps, "CapEff": noCaps, "CapInh": noCaps, "CapAmb": noCaps}},
		// doas CVE-2019-15901: supplementary groups of root were left to the process.
		{"another user, no groups", asRoot, Spec{User: &User{UID: testenv.Nobody, GID: testenv.Nobody}},
			none.with("Uid", ids, "Gid", ids, "Groups", ""), 0xef, none.with("Groups", "")},
		{"another user, capabilities kept over the change of uid", asRoot, Spec{Keep: netAdmin, User: own, NoNewPrivs: true},
			only.with("Uid", ids, "Gid", ids, "Groups", "7 9", "NoNewPrivs", "1"), 0xef,
			lines{"CapPrm": noCaps, "CapEff": noCaps, "CapBnd": hex(netAdmin), "NoNewPrivs": "1"}},
		{"a uid above 16 bits", asRoot, Spec{User: &User{UID: 1 << 16, GID: 1 << 16}},
			none.with("Uid", "65536 65536 65536 65536", "Gid", "65536 65536 65536 65536", "Groups", ""), 0xef, none},
		{"a uid above 31 bits", asRoot, Spec{User: &User{UID: 1<<32 - 2, GID: 1<<32 - 2}},
			none.with("Uid", strings.TrimSpace(strings.Repeat("4294967294 ", 4))), 0xef, none},
		{"root without groups", asRoot, Spec{Keep: netAdmin, User: &User{}}, only.with("Uid", "0 0 0 0", "Groups", ""), 0xef,
			lines{"CapPrm": noCaps, "CapEff": noCaps, "Uid": "0 0 0 0"}}, // NOROOT: uid 0 alone is nothing
		{"a helper with commands", asRoot, Spec{Keep: helper, Bounding: netAdmin, Commands: true},
			lines{"CapPrm": hex(helper), "CapEff": hex(helper), "CapBnd": hex(netAdmin), "Uid": "0 0 0 0"}, 0, only},
		{"a helper with commands and a uid of its own", asRoot, Spec{Keep: helper, Bounding: netAdmin, Commands: true, User: own},
			lines{"CapPrm": hex(helper), "CapEff": hex(helper), "CapBnd": hex(netAdmin), "Uid": ids}, 0,
			lines{"CapPrm": noCaps, "CapEff": noCaps, "CapBnd": hex(netAdmin)}},
		{"an ordinary user", testenv.AsUser, Spec{}, lines{"CapPrm": noCaps, "CapEff": noCaps, "NoNewPrivs": "1"}, 0,
			lines{"CapPrm": noCaps, "CapEff": noCaps, "NoNewPrivs": "1"}},
		{"root of a user namespace", testenv.InUserNamespace, Spec{Keep: netAdmin}, only.with("Uid", "0 0 0 0"), 0xef, lines{"CapPrm": noCaps}},
		{"root of a user namespace, which cannot drop groups", testenv.InUserNamespace, Spec{Keep: helper, Bounding: netAdmin, Commands: true, User: &User{}},
			lines{"CapPrm": hex(helper), "CapBnd": hex(netAdmin), "Uid": "0 0 0 0", "Gid": "0 0 0 0"}, 0, only},
	}
}

func (l lines) with(pairs ...string) lines {
	more := lines{}
	for k, v := range l {
		more[k] = v
	}
	for i := 0; i < len(pairs); i += 2 {
		more[pairs[i]] = pairs[i+1]
	}
	return more
}

func TestApply(t *testing.T) {
	for _, c := range applyCases() {
		t.Run(c.name, func(t *testing.T) {
			r := child(t, c.start, "apply", c.spec)
			if r.Error != "" || r.Verify != "" {
				t.Fatalf("Apply: %s\nVerify: %s", r.Error, r.Verify)
			}
			r.hold(t, c.want.with("CapInh", noCaps, "CapAmb", noCaps, "Umask", "0077"))
			if r.Securebits != c.securebits || r.Dumpable != 0 || r.Core != [2]uint64{} || r.Dir != "/" {
				t.Errorf("securebits %#x, dumpable %d, core limit %d, working directory %s", r.Securebits, r.Dumpable, r.Core, r.Dir)
			}
			if r.CommandError != "" {
				t.Errorf("start a command: %s", r.CommandError)
			}
			equal(t, "a command", r.Command, c.command)
		})
	}
}

// hold says that the lines are those of every thread, of which there are many.
func (r report) hold(t *testing.T, want lines) {
	t.Helper()
	if len(r.Threads) < 16 {
		t.Errorf("only %d threads", len(r.Threads))
	}
	for _, thread := range r.Threads {
		equal(t, "thread "+thread["Pid"], thread, want)
	}
}

func equal(t *testing.T, what string, have, want lines) {
	t.Helper()
	for key, value := range want {
		if have[key] != value {
			t.Errorf("%s: %s is %q, and must be %q", what, key, have[key], value)
		}
	}
}

// Threads come, go, compute and wait while privileges change; none may miss a step. The case that does most is
// repeated, because what it looks for is a race.
func TestApplyReachesEveryThread(t *testing.T) {
	repeat := 30
	if testing.Short() {
		repeat = 3
	}
	spec := Spec{Keep: netAdmin, User: &User{UID: testenv.Nobody, GID: testenv.Nobody}, NoNewPrivs: true}
	for range repeat {
		r := child(t, asRoot, "apply", spec)
		if r.Error != "" || r.Verify != "" {
			t.Fatalf("Apply: %s\nVerify: %s", r.Error, r.Verify)
		}
		r.hold(t, lines{"CapInh": noCaps, "CapPrm": hex(netAdmin), "CapEff": hex(netAdmin), "CapBnd": hex(netAdmin), "CapAmb": noCaps,
			"Uid": "65534 65534 65534 65534", "Gid": "65534 65534 65534 65534", "Groups": "", "NoNewPrivs": "1",
			"Cpus_allowed_list": r.Before["Cpus_allowed_list"]}) // which were one for a while, in a program without cgo
	}
}

// What cannot be reached is refused with its name, and nothing was changed before.
func TestApplyRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		start start
		spec  Spec
		want  string
	}{
		{"a capability that is not held", asUnit(privsep.CAP_NET_ADMIN), Spec{Keep: netAdmin.With(privsep.CAP_NET_RAW)}, "cannot keep CAP_NET_RAW"},
		{"a bounding set that cannot be lowered", asUnit(privsep.CAP_NET_ADMIN), Spec{Keep: netAdmin}, "needs CAP_SETPCAP"},
		{"a user that only root can become", testenv.AsUser, Spec{User: &User{UID: 1}}, "needs CAP_SETUID"},
		{"capabilities of an ordinary user", testenv.AsUser, Spec{Keep: netAdmin}, "cannot keep CAP_NET_ADMIN"},
		// sudo CVE-2019-14287.
		{"uid -1", asRoot, Spec{User: &User{UID: 1<<32 - 1}}, "uid 4294967295"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := child(t, c.start, "apply", c.spec)
			if !strings.Contains(r.Error, c.want) || r.Verify == "" {
				t.Errorf("Apply: %q; want %q in it\nVerify: %q; want an error", r.Error, c.want, r.Verify)
			}
			for key, value := range r.Before {
				if key == "Umask" || strings.HasPrefix(key, "Cap") || key == "Uid" || key == "Gid" || key == "Groups" || key == "NoNewPrivs" {
					r.hold(t, lines{key: value})
				}
			}
		})
	}
	t.Run("a uid that the user namespace does not map", func(t *testing.T) {
		r := child(t, testenv.InUserNamespace, "apply", Spec{User: &User{UID: 1000}})
		if !strings.Contains(r.Error, "uid 1000: this user namespace does not map it") {
			t.Errorf("Apply: %q", r.Error)
		}
	})
}

func TestBecome(t *testing.T) {
	ids := "65534 65534 65534 65534"
	nothing := lines{"CapInh": noCaps, "CapPrm": noCaps, "CapEff": noCaps, "CapAmb": noCaps, "CapBnd": noCaps, "NoNewPrivs": "1",
		"Uid": ids, "Gid": ids, "Groups": "7"}
	r := child(t, asRoot, "become", User{UID: testenv.Nobody, GID: testenv.Nobody, Groups: []uint32{7}})
	if r.Error != "" {
		t.Fatal(r.Error)
	}
	r.hold(t, nothing.with("Umask", r.Before["Umask"]))
	equal(t, "a command", r.Command, nothing)
	here, err := os.Getwd()
	if err != nil || r.Dir != here || r.Dumpable == 1 {
		t.Errorf("working directory %s instead of %s (%v), dumpable %d", r.Dir, here, err, r.Dumpable)
	}

	// Who is that user already becomes it without any right.
	r = child(t, asUnit(), "become", User{UID: 65533, GID: 65533, Groups: []uint32{4}})
	if r.Error != "" {
		t.Error(r.Error)
	}
	r.hold(t, lines{"CapPrm": noCaps, "NoNewPrivs": "1"})

	r = child(t, asUnit(), "become", User{UID: 65533, GID: 65533})
	if !strings.Contains(r.Error, "needs CAP_SETGID") {
		t.Errorf("Become without root's groups, as a user: %q", r.Error)
	}
}
