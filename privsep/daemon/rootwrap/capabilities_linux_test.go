package rootwrap_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/daemon/rootwrap"
)

func hex(c ...privsep.Capability) string { return fmt.Sprintf("%016x", uint64(privsep.Caps(c...))) }

// A helper that runs commands holds, in every thread, `capabilities`, what docs/architecture.md lists for its policy, and
// no more. A command of uid 0 has exactly `capabilities`, one of another uid nothing, one that calls setuid itself ends
// with nothing.
func TestCapabilities(t *testing.T) {
	const admin = "capabilities=CAP_NET_ADMIN\n"
	const root, nobody = "cat: CommandFilter, cat, root\n", "cat: CommandFilter, cat, nobody\n"
	own := []privsep.Capability{privsep.CAP_NET_ADMIN, privsep.CAP_SETPCAP, privsep.CAP_SETUID, privsep.CAP_SETGID, privsep.CAP_KILL}
	walks := append(slices.Clone(own), privsep.CAP_SYS_NICE)
	limits := slices.Clone(walks) // of which root of a container has none
	if own, err := os.ReadFile("/proc/self/status"); err != nil {
		t.Fatal(err)
	} else if held, err := strconv.ParseUint(status(string(own))["CapPrm"], 16, 64); err != nil || privsep.Capabilities(held).Has(privsep.CAP_SYS_RESOURCE) {
		limits = append(limits, privsep.CAP_SYS_RESOURCE)
	}
	setuid := program(t)
	none, only := hex(), hex(privsep.CAP_NET_ADMIN)
	uid0, uidNobody := "0 0 0 0", "65534 65534 65534 65534"
	for _, c := range []struct {
		name, config, policy string
		keep                 []privsep.Capability
		uid                  string // of the helper
		argv                 []string
		command              map[string]string
	}{
		{"uid 0", admin, root, own, uid0, nil,
			map[string]string{"CapPrm": only, "CapEff": only, "CapBnd": only, "Uid": uid0}},
		{"uid 0, no cgroup", admin + "# no cgroup\n", root, walks, uid0, nil,
			map[string]string{"CapPrm": only, "CapEff": only, "CapBnd": only, "Uid": uid0}},
		{"another uid, no cgroup", admin + "# no cgroup\n", nobody, limits, uid0, nil,
			map[string]string{"CapPrm": none, "CapEff": none, "CapBnd": none, "Uid": uidNobody, "Gid": uidNobody, "Groups": "65534"}},
		{"a KillFilter", admin, root + "kill: KillFilter, root, /bin/true, -9\n", append(slices.Clone(own), privsep.CAP_SYS_PTRACE), uid0, nil,
			map[string]string{"CapPrm": only, "CapEff": only, "CapBnd": only}},
		{"a ReadFileFilter", admin, "cat: CommandFilter, cat, root\nread: ReadFileFilter, /etc/x\n", append(slices.Clone(own), privsep.CAP_DAC_READ_SEARCH), uid0, nil,
			map[string]string{"CapPrm": only, "CapEff": only, "CapBnd": only}},
		{"no capability", "capabilities=\n", root, own[1:], uid0, nil,
			map[string]string{"CapPrm": none, "CapEff": none, "CapBnd": none, "Uid": uid0}},
		{"a user of its own, a command of root", admin + "user=nobody\n", root, own, uidNobody, nil,
			map[string]string{"CapPrm": only, "CapEff": only, "CapBnd": only, "Uid": uid0}},
		{"a command that calls setuid", "capabilities=CAP_NET_ADMIN, CAP_SETUID\n", "own: CommandFilter, " + setuid + ", root\n", own, uid0,
			[]string{setuid, "setuid"}, map[string]string{"CapPrm": none, "CapEff": none, "CapBnd": hex(privsep.CAP_NET_ADMIN, privsep.CAP_SETUID), "Uid": uidNobody}},
		{"a command that calls setuid without the right to it", admin, "own: CommandFilter, " + setuid + ", root\n", own, uid0,
			[]string{setuid, "setuid"}, map[string]string{"CapPrm": only, "CapEff": only, "Uid": uid0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := start(t, setuid, c.config, c.policy)
			if c.argv == nil {
				c.argv = []string{"cat", "/proc/self/status"}
			}
			got := status(output(t, client, c.argv...))
			for _, key := range slices.Sorted(maps.Keys(c.command)) {
				if got[key] != c.command[key] {
					t.Errorf("the command's %s is %s, want %s", key, got[key], c.command[key])
				}
			}
			if got["CapInh"] != none || got["CapAmb"] != none {
				t.Errorf("the command's CapInh is %s, its CapAmb %s", got["CapInh"], got["CapAmb"])
			}
			bounding := client.Helper().Bounding
			for _, thread := range threads(t, client.Helper().PID) {
				for key, want := range map[string]string{"CapPrm": hex(c.keep...), "CapEff": hex(c.keep...), "CapInh": none, "CapAmb": none,
					"CapBnd": fmt.Sprintf("%016x", uint64(bounding)), "Uid": c.uid} {
					// A thread from which commands of another uid are forked has no bounding set.
					if thread[key] != want && !(key == "CapBnd" && thread[key] == none) {
						t.Errorf("the helper's thread %s has %s %s, want %s", thread["Pid"], key, thread[key], want)
					}
				}
			}
			if h := client.Helper(); h.Keep != privsep.Caps(c.keep...) || strings.Contains(c.config, "no cgroup") != strings.HasPrefix(h.Trees, "walk") {
				t.Errorf("HELLO says %v, %s", h.Keep, h.Trees)
			}
		})
	}
}

// Without `capabilities` commands keep what the helper was started with, as with rootwrap; one of another uid has nothing.
func TestNoCapabilitiesOption(t *testing.T) {
	c := start(t, program(t), "", "cat: CommandFilter, cat, root\ntac: CommandFilter, tac, nobody\n")
	keep := fmt.Sprintf("%016x", uint64(c.Helper().Keep))
	if got := status(output(t, c, "cat", "/proc/self/status")); got["CapEff"] != keep || got["CapBnd"] != keep || c.Helper().Keep == 0 {
		t.Errorf("uid 0: CapEff %s, CapBnd %s; the helper has %s", got["CapEff"], got["CapBnd"], keep)
	}
	if got := status(output(t, c, "tac", "/proc/self/status")); got["CapEff"] != hex() || got["CapPrm"] != hex() || got["CapAmb"] != hex() || got["CapInh"] != hex() {
		t.Errorf("another uid: CapEff %s", got["CapEff"])
	}
}

// A user whom nobody knows would leave the helper root.
func TestHelperOfAnUnknownUser(t *testing.T) {
	for _, config := range []string{"user=no-such-user\n", "group=no-such-group\n"} {
		c := rootwrap.New(rootwrap.Options{Load: func() (*host.Loaded, error) { return parse(config, "") }})
		if err := c.Load(); err == nil {
			c.Close()
			t.Errorf("%q: the helper starts", config)
		}
	}
}
