package filters_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/filters"
)

// neutron is the policy that neutron publishes, or the part of it that the tests below use where the oracle is missing.
func neutron(t testing.TB) string {
	t.Helper()
	for _, dir := range []string{os.Getenv("PRIVHELPER_ORACLE"), "../../shared/oracle"} {
		text, err := os.ReadFile(filepath.Join(dir, "corpus/neutron/HEAD/etc/neutron/rootwrap.d/rootwrap.filters"))
		if err == nil {
			return string(text)
		}
	}
	return `[Filters]
privsep: PathFilter, privsep-helper, root,
 --config-file, /etc/(?!\.\.).*,
 --privsep_context, neutron.privileged.default,
 --privsep_sock_path, /
sleep: RegExpFilter, sleep, root, sleep, \d+
ip: IpFilter, ip, root
ip_exec: IpNetnsExecFilter, ip, root
haproxy: RegExpFilter, haproxy, root, haproxy, -f, .*
haproxy_env: EnvFilter, env, root, PROCESS_TAG=, haproxy, -f, .*
dnsmasq: CommandFilter, dnsmasq, root
dnsmasq_env: EnvFilter, env, root, PROCESS_TAG=, dnsmasq
radvd: CommandFilter, radvd, root
vtysh_cmd: RegExpFilter, vtysh, root, vtysh, --vty_socket, /[a-z/]+, -c, .*
ovs-ofctl: CommandFilter, ovs-ofctl, root
`
}

// more are rules for what neutron's policy has no use for.
const more = `
alt: RegExpFilter, alt, root, alt, foo|bar
lines: RegExpFilter, lines, root, lines, (?m)x
verbose: RegExpFilter, verbose, root, verbose, (?ix)x #
look: RegExpFilter, look, root, look, /etc/(?!\.\.).*
images: PathFilter, qemu-img, root, info, /var/lib/images
lvs: EnvFilter, env, root, LC_ALL=C, LVM_DIR=, lvs
shadow: ReadFileFilter, /etc/shadow
radvd_kill: KillFilter, root, /usr/sbin/radvd, -9, -HUP
nice: ChainingRegExpFilter, nice, root, nice, -n, -?\d+
as_user: CommandFilter, as-user, nobody
qemu_in: PathFilter, qemu-io, root, /var/lib/images
fixed: CommandFilter, /opt/tool/bin/fixed, root
`

// TestDeviations: each bypass of rootwrap stands beside an allowed use of the same program.
func TestDeviations(t *testing.T) {
	m := &fake{
		links: map[string]string{
			"/var/lib/images/out": "/etc", "/var/lib/images/in": "/var/lib/images/sub", "/usr/sbin/radvd": "/usr/sbin/radvd-2",
		},
		programs: map[int]string{4711: "/usr/sbin/radvd", 4712: "/usr/sbin/sshd"},
		distrust: map[string]bool{"/usr/sbin/ovs-ofctl-loose": true},
	}
	text := strings.TrimPrefix(neutron(t), "[Filters]") + more
	if i := strings.Index(text, "[Filters]"); i >= 0 {
		text = text[:i] + text[i+len("[Filters]"):]
	}
	parse := func(s filters.Semantics) *filters.Policy {
		p, warnings, err := policy(s, text)
		if err != nil || len(warnings) > 0 {
			t.Fatalf("%v: %v %v", s, err, warnings)
		}
		return p
	}
	strict, oslo := parse(filters.Strict), parse(filters.Oslo)
	for _, test := range []struct {
		argv      string            // separated by spaces; ␠ is a space, ␤ a newline
		want      string            // path and arguments in Strict; "" is a refusal
		deviation filters.Deviation // why, where rootwrap accepts
	}{
		{"ip netns add qdhcp-1", "/usr/sbin/ip netns add qdhcp-1", ""},
		{"ip -n qdhcp-1 link show", "/usr/sbin/ip -n qdhcp-1 link show", ""},
		{"ip -br -o -4 addr show dev netns", "/usr/sbin/ip -br -o -4 addr show dev netns", ""},
		{"ip -all netns delete", "/usr/sbin/ip -all netns delete", ""},
		{"ip neigh show", "/usr/sbin/ip neigh show", ""},
		{"ip -n X netns e ns sh", "", ""},
		{"ip netns exec ns sh", "", ""},
		{"ip -n netns netns exec ns sh", "", filters.IPExec},
		{"ip -n X vrf exec v sh", "", filters.IPExec},
		{"ip v e x sh", "", filters.IPExec},
		{"ip - x vrf exec x sh", "", filters.IPExec},
		{"ip -- vrf exec x sh", "", filters.IPExec},
		{"ip -b /tmp/x", "", filters.IPExec},
		{"ip --ba /tmp/x", "", filters.IPExec},
		{"ip -batch /tmp/x", "", filters.IPExec},
		{"ip -force -batch /tmp/x", "", filters.IPExec},
		{"ip -fo -h", "", filters.IPExec},
		{"ip -all netns exec sh", "", ""},
		{"ip -n ../../tmp/x link", "", filters.IPExec},
		{"ip link set dev e xdp obj /tmp/x.o", "", filters.IPExec},
		{"ip link set dev e xdp off", "/usr/sbin/ip link set dev e xdp off", ""},

		{"ip netns exec ns dnsmasq --x", "/usr/sbin/ip netns exec ns /usr/sbin/dnsmasq --x", ""},
		{"ip netns exec ns /usr/sbin/dnsmasq --x", "/usr/sbin/ip netns exec ns /usr/sbin/dnsmasq --x", ""},
		{"ip netns exec ns /tmp/evil/dnsmasq", "", filters.ChainBasename},
		{"ip netns exec ns ./dnsmasq", "", filters.ChainBasename},
		{"ip netns exec ns radvd", "/usr/sbin/ip netns exec ns /usr/sbin/radvd", ""}, // by its name, link or not
		{"ip netns exec ../../tmp/x dnsmasq", "", filters.IPExec},
		{"ip netns exec ns env PROCESS_TAG=a dnsmasq", "PROCESS_TAG=a /usr/sbin/ip netns exec ns /usr/sbin/dnsmasq", ""},
		{"ip netns exec ns cat /etc/shadow", "</etc/shadow /usr/sbin/ip netns exec ns /bin/cat", ""},
		{"ip netns exec ns as-user", "", ""},
		{"ip netns exec ns nice -n 5 dnsmasq", "", ""},
		{"nice -n 5 dnsmasq x", "/usr/sbin/nice -n 5 /usr/sbin/dnsmasq x", ""},
		{"nice -n 5 /tmp/evil/dnsmasq x", "", filters.ChainBasename},
		{"nice -n 5 sh", "", ""},
		{"nice -n 5", "", ""},

		{"env PROCESS_TAG=x dnsmasq -k", "PROCESS_TAG=x /usr/sbin/dnsmasq -k", ""},
		{"env PROCESS_TAG=x LD_PRELOAD=/tmp/x dnsmasq -k", "", ""},
		{"env PROCESS_TAG=()␠{ dnsmasq -k", "", filters.EnvValues}, // CVE-2014-6271
		{"env LC_ALL=C LVM_DIR=/x lvs", "LC_ALL=C LVM_DIR=/x /usr/sbin/lvs", ""},
		{"env LC_ALL=D LVM_DIR=/x lvs", "", filters.EnvValues},

		{"alt foo", "/usr/sbin/alt foo", ""},
		{"alt bar", "/usr/sbin/alt bar", ""},
		{"alt fooXYZ", "", filters.RegexpAnchor},
		{"alt bar␤", "", filters.RegexpAnchor},
		{"lines x", "/usr/sbin/lines x", ""},
		{"lines x␤evil", "", filters.RegexpAnchor},
		{"verbose X", "/usr/sbin/verbose X", ""},
		{"verbose xevil", "", filters.RegexpAnchor},
		{"sleep 5", "/usr/sbin/sleep 5", ""},
		{"sleep 5␤", "", filters.RegexpAnchor},
		{"look /etc/a", "/usr/sbin/look /etc/a", ""},
		{"look /etc/..", "", ""},

		{"qemu-img info /var/lib/images/a", "/usr/sbin/qemu-img info /var/lib/images/a", ""},
		{"qemu-img info /var/lib/images/in/a", "/usr/sbin/qemu-img info /var/lib/images/sub/a", ""},
		{"qemu-img info /var/lib/images-evil/a", "", filters.PathPrefix},
		{"qemu-img info /var/lib/images/../images-evil/a", "", filters.PathPrefix},
		{"qemu-img info /var/lib/images/out/shadow", "", ""},
		{"qemu-img info /var/lib/images/../../../etc/shadow", "", ""},

		{"cat /etc/shadow", "</etc/shadow /bin/cat", ""},
		{"cat /etc/passwd", "", ""},

		{"kill -9 4711", "kill -9 4711", ""},
		{"kill -HUP 4711", "kill -HUP 4711", ""},
		{"kill -9 +4711", "", filters.KillPid},
		{"kill -9 ␠4711", "", filters.KillPid},
		{"kill -9 4_711", "", filters.KillPid},
		{"kill -9 4712", "", ""},
		{"kill -15 4711", "", ""},
		{"kill 4711", "", ""},

		{"privsep-helper --config-file /tmp/evil --privsep_context x", "", filters.BuiltinPrivsepHelper},
		{"dnsmasq --version", "/usr/sbin/dnsmasq --version", ""},
		{"/tmp/evil/dnsmasq --version", "", ""},
		{"/opt/tool/bin/fixed", "/opt/tool/bin/fixed", ""},
		{"fixed x", "/opt/tool/bin/fixed x", ""},
		{"dnsmasq␤", "", ""},
	} {
		argv := strings.Split(test.argv, " ")
		for i := range argv {
			argv[i] = strings.NewReplacer("␠", " ", "␤", "\n").Replace(argv[i])
		}
		got := judge(strict, m, filters.Request{Argv: argv})
		o := judge(oslo, m, filters.Request{Argv: argv})
		if text := describe(got); text != test.want {
			t.Errorf("%q: %s, want %q; %+v", test.argv, text, test.want, got.Near)
		}
		if got.Outcome == filters.Match && o.Outcome != filters.Match {
			t.Errorf("%q: strict accepts what oslo refuses: %+v", test.argv, o.Near)
		}
		if test.want != "" {
			continue
		}
		named := slices.ContainsFunc(got.Near, func(n filters.Near) bool { return n.Deviation == test.deviation })
		switch {
		case test.deviation == "" && o.Outcome == filters.Match:
			t.Errorf("%q: oslo accepts, and no deviation says so", test.argv)
		case test.deviation != "" && (!named || !slices.Contains(o.Unsafe, string(test.deviation))):
			t.Errorf("%q: near %+v and unsafe %q do not name %s", test.argv, got.Near, o.Unsafe, test.deviation)
		}
	}
}

// describe writes what would run.
func describe(v filters.Verdict) string {
	if v.Outcome != filters.Match {
		return ""
	}
	var parts []string
	parts = append(parts, v.Env...)
	if v.Stdin != "" {
		parts = append(parts, "<"+v.Stdin)
	}
	if v.Kill != nil {
		return strings.Join(v.Argv, " ")
	}
	return strings.Join(append(parts, v.Command()...), " ")
}

// TestRequestEnv: the environment of a client is judged as if env stood before the command, and never dropped.
func TestRequestEnv(t *testing.T) {
	p, _, err := policy(filters.Strict, "tagged: EnvFilter, env, root, TAG=, LC_ALL=C, prog\nplain: CommandFilter, plain, root\nany: ChainingRegExpFilter, any, root, .*\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		r    filters.Request
		want bool
	}{
		{"exactly", filters.Request{Argv: []string{"prog", "x"}, Env: []string{"TAG=a", "LC_ALL=C"}}, true},
		{"empty value", filters.Request{Argv: []string{"prog"}, Env: []string{"TAG=", "LC_ALL=C"}}, true},
		{"another value", filters.Request{Argv: []string{"prog"}, Env: []string{"TAG=a", "LC_ALL=D"}}, false},
		{"too few", filters.Request{Argv: []string{"prog"}, Env: []string{"TAG=a"}}, false},
		{"too many", filters.Request{Argv: []string{"prog"}, Env: []string{"TAG=a", "LC_ALL=C", "X=1"}}, false},
		{"none allowed", filters.Request{Argv: []string{"plain"}, Env: []string{"TAG=a"}}, false},
		{"dropped by a chain", filters.Request{Argv: []string{"plain", "plain"}, Env: []string{"TAG=a"}}, false},
		{"plain", filters.Request{Argv: []string{"plain"}}, true},
		{"in argv too", filters.Request{Argv: []string{"LC_ALL=C", "prog"}, Env: []string{"TAG=a"}}, false},
		{"no name", filters.Request{Argv: []string{"prog"}, Env: []string{"=a", "LC_ALL=C"}}, false},
		{"NUL", filters.Request{Argv: []string{"plain", "a\x00b"}}, false},
		{"a folder", filters.Request{Argv: []string{"plain"}, Dir: "/tmp"}, false},
		{"nothing", filters.Request{}, false}, // CVE-2021-4034
	} {
		v := judge(p, &fake{}, test.r)
		if (v.Outcome == filters.Match) != test.want || !test.want && len(v.Near) == 0 && test.name != "none allowed" {
			t.Errorf("%s: %v %+v", test.name, v.Outcome, v.Near)
		}
	}
}

// TestName: what a program is called with is the rule's business, whatever its pattern for the name lets pass: a
// multi-call program does what its name says.
func TestName(t *testing.T) {
	p, _, err := policy(filters.Strict, "box: RegExpFilter, busybox, root, .*, x\nshell: ChainingRegExpFilter, /bin/bash, root, (-|/bin/)bash\nplain: CommandFilter, /opt/tool/plain, root\n"+
		"tagged: EnvFilter, env, root, A=, tool\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range [][3]string{
		{"sh x", "/usr/sbin/busybox", "busybox x"},
		{"/tmp/sh x", "/usr/sbin/busybox", "busybox x"},
		{"busybox x", "/usr/sbin/busybox", "busybox x"},
		{"-bash plain", "/bin/bash", "bash /opt/tool/plain"},
		{"/bin/bash plain", "/bin/bash", "/bin/bash /opt/tool/plain"},
		{"/opt/tool/plain y", "/opt/tool/plain", "/opt/tool/plain y"},
		{"plain y", "/opt/tool/plain", "plain y"},
		{"env A=1 tool", "/usr/sbin/tool", "tool"},
	} {
		argv := strings.Fields(test[0])
		v := p.Decide(&fake{}, filters.Request{Argv: argv})
		if v.Outcome != filters.Match || v.Path != test[1] || strings.Join(v.Argv, " ") != test[2] {
			t.Errorf("%q: %s %q, want %s %q", test[0], v.Path, v.Argv, test[1], test[2])
		}
		if strings.Join(argv, " ") != test[0] {
			t.Errorf("%q: the request was changed to %q", test[0], argv)
		}
	}
}

// TestPid: Oslo reads a process id as Python's int() does, Strict as kill(1) would.
func TestPid(t *testing.T) {
	m := &fake{programs: map[int]string{4711: "/usr/sbin/a"}}
	const rule = "k: KillFilter, root, /usr/sbin/a, -9\n"
	strict, _, err := policy(filters.Strict, rule)
	if err != nil {
		t.Fatal(err)
	}
	oslo, _, err := policy(filters.Oslo, rule)
	if err != nil {
		t.Fatal(err)
	}
	for pid, want := range map[string][2]bool{ // Strict, Oslo
		"4711": {true, true}, "04711": {true, true},
		"+4711": {false, true}, " 4711": {false, true}, "4711\n": {false, true}, "4_711": {false, true}, "4７11": {false, true},
		"\u30004711": {false, true}, "4711\u0085": {false, true}, "\v4711\f": {false, true},
		"\x1c4711": {}, "\x1f٤711": {}, "4711\x1d": {}, "- 4711": {}, "+\u30004711": {}, "4__711": {}, "_4711": {}, "4711_": {}, "0x1267": {}, "4711.0": {},
		"-4711": {}, "": {}, "4711/": {}, "\ufeff4711": {}, "٤٧١١": {false, true}, "²": {}, strings.Repeat("0", 4300) + "4711": {},
	} {
		for i, p := range []*filters.Policy{strict, oslo} {
			v := p.Decide(m, filters.Request{Argv: []string{"kill", "-9", pid}})
			if got := v.Outcome == filters.Match; got != want[i] {
				t.Errorf("%v: pid %.20q: %t, want %t", p.Semantics(), pid, got, want[i])
			}
		}
	}
}

// TestKillGivesBack: every process that was opened is closed again, whatever the verdict.
func TestKillGivesBack(t *testing.T) {
	closed := 0
	m := &fake{programs: map[int]string{20: "/usr/sbin/a", 21: "/usr/sbin/b"}, closed: &closed, missing: map[string]bool{"/usr/sbin/nice": true, "/usr/bin/nice": true}}
	p, _, err := policy(filters.Strict, "k: KillFilter, root, /usr/sbin/a, -9\nn: ChainingRegExpFilter, nice, root, nice\n")
	if err != nil {
		t.Fatal(err)
	}
	v := p.Decide(m, filters.Request{Argv: []string{"kill", "-9", "20"}})
	if v.Kill == nil || v.Kill.Signal != 9 || closed != 0 {
		t.Fatalf("%+v, %d closed", v, closed)
	}
	if err := v.Close(); err != nil || closed != 1 {
		t.Errorf("Close: %v, %d closed", err, closed)
	}
	closed = 0
	if v := judge(p, m, filters.Request{Argv: []string{"kill", "-9", "21"}}); v.Outcome != filters.Unauthorized || closed != 2 {
		t.Errorf("%v, %d closed: once for the verdict, once for its reasons", v.Outcome, closed)
	}
}

// TestExecutables: what is there and not trusted is refused with the reason, and what is missing lets later rules try.
func TestExecutables(t *testing.T) {
	m := &fake{missing: map[string]bool{"/usr/sbin/gone": true, "/usr/bin/gone": true}, distrust: map[string]bool{"/usr/sbin/loose": true}}
	rules := "a: CommandFilter, gone, root\nb: CommandFilter, /usr/bin/x/gone, root\nc: CommandFilter, /usr/sbin/never, nobody\nl: CommandFilter, loose, root\n"
	strict, _, err := policy(filters.Strict, rules)
	if err != nil {
		t.Fatal(err)
	}
	if v := strict.Decide(m, filters.Request{Argv: []string{"gone"}}); v.Outcome != filters.Match || v.Rule.Name != "b" {
		t.Errorf("gone: %v by %v", v.Outcome, v.Rule)
	}
	v := judge(strict, m, filters.Request{Argv: []string{"loose"}})
	if v.Outcome != filters.NotExecutable || len(v.Near) != 1 || v.Near[0].Deviation != filters.FileTrust || !strings.Contains(v.Near[0].Reason, "group adm") {
		t.Errorf("loose: %v %+v", v.Outcome, v.Near)
	}
	oslo, _, err := policy(filters.Oslo, rules)
	if err != nil {
		t.Fatal(err)
	}
	if v := oslo.Decide(m, filters.Request{Argv: []string{"loose"}}); v.Outcome != filters.Match || !slices.Equal(v.Unsafe, []string{"file-trust"}) {
		t.Errorf("loose in oslo: %v %q", v.Outcome, v.Unsafe)
	}
	if v := oslo.Decide(m, filters.Request{Argv: []string{"never"}}); !slices.Equal(v.Unsafe, []string{"run-as-groups"}) {
		t.Errorf("never in oslo: %q", v.Unsafe)
	}
}
