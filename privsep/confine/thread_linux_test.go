package confine

import (
	"encoding/json"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep"
)

func thread(t *testing.T, begin start, o order) threadReport {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	cmd := testenv.Child(t, "thread", string(text))
	begin(t, cmd)
	var r threadReport
	if err := json.Unmarshal(testenv.Output(t, cmd), &r); err != nil {
		t.Fatal(err)
	}
	if r.CommandError != "" {
		t.Errorf("command: %s", r.CommandError)
	}
	return r
}

// A command has what its thread's bounding set or its ambient capabilities say, and neither more nor less.
func TestCommandsOfConfinedThread(t *testing.T) {
	whole := helper.With(privsep.CAP_NET_RAW)
	spec := Spec{Keep: whole, Bounding: whole, Commands: true}
	cat := []string{"/bin/cat", "/proc/self/status"}
	own := netAdmin.With(privsep.CAP_SETUID)
	for _, c := range []struct {
		name  string
		start start
		order order
		want  lines // of the command; CapInh follows CapAmb
	}{
		{"uid 0", asRoot, order{Thread: ThreadSpec{DropBounding: true, Bounding: netAdmin}, Command: cat},
			lines{"CapPrm": hex(netAdmin), "CapEff": hex(netAdmin), "CapBnd": hex(netAdmin), "NoNewPrivs": "0", "Umask": "0077"}},
		{"uid 0 with no_new_privs and a umask", asRoot,
			order{Thread: ThreadSpec{DropBounding: true, Bounding: netAdmin, NoNewPrivs: true, HasUmask: true, Umask: 0o022}, Command: cat},
			lines{"CapPrm": hex(netAdmin), "CapEff": hex(netAdmin), "CapBnd": hex(netAdmin), "NoNewPrivs": "1", "Umask": "0022"}},
		{"uid 0 with nothing", asRoot, order{Thread: ThreadSpec{DropBounding: true}, Command: cat},
			lines{"CapPrm": noCaps, "CapEff": noCaps, "CapBnd": noCaps}},
		{"the zero ThreadSpec", asRoot, order{Command: cat},
			lines{"CapPrm": hex(whole), "CapEff": hex(whole), "CapBnd": hex(whole), "NoNewPrivs": "0", "Umask": "0077"}},
		{"another uid", asRoot, order{Thread: ThreadSpec{DropBounding: true, Bounding: netAdmin}, UID: testenv.Nobody, Command: cat},
			lines{"CapPrm": noCaps, "CapEff": noCaps, "CapBnd": hex(netAdmin), "CapAmb": noCaps, "Uid": "65534 65534 65534 65534"}},
		{"another uid with an ambient capability", asRoot,
			order{Thread: ThreadSpec{DropBounding: true, Bounding: netAdmin}, UID: testenv.Nobody, Ambient: []uintptr{uintptr(privsep.CAP_NET_ADMIN)}, Command: cat},
			lines{"CapPrm": hex(netAdmin), "CapEff": hex(netAdmin), "CapBnd": hex(netAdmin), "CapAmb": hex(netAdmin)}},
		{"a command that calls setuid", asRoot,
			order{Thread: ThreadSpec{DropBounding: true, Bounding: own}, Env: []string{"PRIVHELPER_TEST_CHILD=setuid"}, Command: []string{"/proc/self/exe"}},
			lines{"CapPrm": noCaps, "CapEff": noCaps, "CapBnd": hex(own), "CapAmb": noCaps, "Uid": "65534 65534 65534 65534"}},
		{"uid 0 of a user namespace", testenv.InUserNamespace,
			order{Thread: ThreadSpec{DropBounding: true, Bounding: netAdmin}, Command: cat},
			lines{"CapPrm": hex(netAdmin), "CapEff": hex(netAdmin), "CapBnd": hex(netAdmin)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.order.Spec = spec
			r := thread(t, c.start, c.order)
			if r.Error != "" {
				t.Fatal(r.Error)
			}
			inherited := noCaps
			if amb := c.want["CapAmb"]; amb != "" {
				inherited = amb
			}
			equal(t, "the command", parseLines([]byte(r.Output)), c.want.with("CapInh", inherited))
			// The thread itself keeps what it gives uids with, and no other thread changed.
			equal(t, "the thread", r.Thread, lines{"CapPrm": hex(whole), "CapEff": hex(whole), "CapBnd": c.want["CapBnd"]})
			process := lines{"CapPrm": hex(whole), "CapBnd": hex(whole), "NoNewPrivs": "0", "Umask": "0077"}
			equal(t, "the main thread", r.Main, process)
			for _, other := range r.Others {
				equal(t, "another thread", other, process)
			}
			if len(r.Others) < 16 {
				t.Errorf("only %d other threads", len(r.Others))
			}
		})
	}
}

// runc CVE-2022-29162 and moby CVE-2022-24769: what the caller made inheritable came back to uid 0 at exec, around the
// bounding set. One that only confines a thread, as `privhelper run` does, has had no Apply before it.
func TestConfineThreadClearsInheritable(t *testing.T) {
	inherit := func(uid uint32) start {
		return func(t testing.TB, cmd *exec.Cmd) {
			testenv.NeedRoot(t)
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid},
				AmbientCaps: []uintptr{uintptr(privsep.CAP_NET_ADMIN), uintptr(privsep.CAP_SYS_ADMIN), uintptr(privsep.CAP_SETPCAP)}}
		}
	}
	cat := []string{"/bin/cat", "/proc/self/status"}
	for _, c := range []struct {
		name  string
		start start
		order order
		want  lines // of the command
	}{
		{"uid 0", inherit(0), order{Raw: true, Thread: ThreadSpec{DropBounding: true, Bounding: netAdmin}, Command: cat},
			lines{"CapPrm": hex(netAdmin), "CapEff": hex(netAdmin), "CapBnd": hex(netAdmin)}},
		{"another uid", inherit(65533), order{Raw: true, UID: 65533, NoGroups: true, Thread: ThreadSpec{DropBounding: true, Bounding: netAdmin}, Command: cat},
			lines{"CapPrm": noCaps, "CapEff": noCaps, "CapBnd": hex(netAdmin)}},
		{"another uid and the zero ThreadSpec", inherit(65533), order{Raw: true, UID: 65533, NoGroups: true, Command: cat},
			lines{"CapPrm": noCaps, "CapEff": noCaps}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := thread(t, c.start, c.order)
			if r.Error != "" {
				t.Fatal(r.Error)
			}
			nothing := lines{"CapInh": noCaps, "CapAmb": noCaps}
			equal(t, "the thread", r.Thread, nothing)
			equal(t, "the command", parseLines([]byte(r.Output)), c.want.with("CapInh", noCaps, "CapAmb", noCaps))
			if r.Main["CapInh"] == noCaps {
				t.Error("the process had no inheritable capability to begin with: this shows nothing")
			}
		})
	}
}

// What a helper is started with whose parent has lowered its bounding set: all else, until it calls Apply.
func TestConfineThreadLetsInherit(t *testing.T) {
	r := thread(t, asRoot, order{Raw: true, Thread: ThreadSpec{DropBounding: true, Bounding: netAdmin, Inherit: true}, Command: []string{"/bin/cat", "/proc/self/status"}})
	if r.Error != "" {
		t.Fatal(r.Error)
	}
	all := r.Main["CapPrm"]
	equal(t, "the thread", r.Thread, lines{"CapPrm": all, "CapEff": all, "CapBnd": hex(netAdmin), "CapInh": all, "CapAmb": noCaps})
	equal(t, "what it executes", parseLines([]byte(r.Output)), lines{"CapPrm": all, "CapEff": all, "CapBnd": hex(netAdmin), "CapInh": all, "CapAmb": noCaps})
}

// A command of uid 0 keeps the signal that ends it with its parent, as long as it gets no more than the parent has.
func TestCommandKeepsParentDeathSignal(t *testing.T) {
	setpriv := testenv.NeedProgram(t, "setpriv", "util-linux")
	r := thread(t, asRoot, order{
		Spec:    Spec{Keep: helper, Bounding: netAdmin, Commands: true},
		Thread:  ThreadSpec{DropBounding: true, Bounding: netAdmin},
		Command: []string{setpriv, "--dump"},
	})
	if !strings.Contains(r.Output, "Parent death signal: KILL\n") {
		t.Errorf("%s\n%s", r.Error, r.Output)
	}
}

func TestConfineThreadRefuses(t *testing.T) {
	spec := Spec{Keep: helper, Bounding: netAdmin, Commands: true}
	powerless := Spec{Keep: helper.Without(privsep.CAP_SETPCAP), Bounding: netAdmin, Commands: true}
	for want, o := range map[string]order{
		"CAP_KILL is not in the bounding set":  {Spec: spec, Thread: ThreadSpec{DropBounding: true, Bounding: netAdmin.With(privsep.CAP_KILL)}},
		"without DropBounding":                 {Spec: spec, Thread: ThreadSpec{Bounding: netAdmin}},
		"Umask is given without HasUmask":      {Spec: spec, Thread: ThreadSpec{DropBounding: true, Umask: 0o22}},
		"umask 01000 is above 0777":            {Spec: spec, Thread: ThreadSpec{DropBounding: true, HasUmask: true, Umask: 0o1000}},
		"drop CAP_NET_ADMIN from the bounding": {Spec: powerless, Thread: ThreadSpec{DropBounding: true}},
	} {
		o.Command = []string{"/bin/true"}
		r := thread(t, asRoot, o)
		if !strings.Contains(r.Error, want) {
			t.Errorf("ConfineThread: %q; want %q in it", r.Error, want)
		}
		for _, key := range slices.Sorted(maps.Keys(r.Main)) {
			if (strings.HasPrefix(key, "Cap") || key == "Umask" || key == "NoNewPrivs") && r.Thread[key] != r.Main[key] {
				t.Errorf("%s: the thread's %s is %s, and the process's %s", want, key, r.Thread[key], r.Main[key])
			}
		}
	}
}
