package filters_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/privhelper/privhelper/filters"
)

// Whatever a section says that cannot be so refuses the policy, in both semantics, with the line of its key: what narrows
// a rule must never be ignored.
func TestSectionErrors(t *testing.T) {
	const command, kill, read, env = "a: CommandFilter, ip, nobody\n", "a: KillFilter, root, ip, -9\n", "a: ReadFileFilter, /etc/x\n", "a: EnvFilter, env, nobody, A=, ip\n"
	const root = "a: CommandFilter, ip, root\n"
	for _, c := range []struct{ rule, section, want string }{
		{command, "what = 1", "what of rule \"a\": the key is not known"},
		{command, "rlimit_what = 1", "the limit is not known"},
		{command, "rlimit_nofile = 2:1", "the soft limit is above the hard one"},
		{command, "rlimit_nofile = -1", "is no limit"},
		{command, "lifetime = never", "write client or detached"},
		{command, "capabilities = NET_ADMIN", "write the kernel's names"},
		{command, "capabilities = CAP_SYS_ADMIN", "CAP_SYS_ADMIN is not among the capabilities of"},
		{command, "user = -1:0", "is not an id"},
		{command, "user = 4294967295:0", "is not an id"}, // sudo CVE-2019-14287
		{command, "group = a b", "is neither a local name"},
		{command, "groups = daemon, daemon", "stands twice"},
		{command, "lock = ../x", "write letters, digits"},
		{command, "lock = x,", "is empty"},
		{command, "fence = .x", "write letters, digits"},
		{command, "fence = x, y", "write letters, digits"},
		{command, "fence =", "write the fence's name"},
		{command, "timeout = 0s", "no time above zero"},
		{command, "timeout = 30", "no time above zero"},
		{command, "clients =", "is empty"},
		{command, "clients = @", "is empty"},
		{command, "sha256 = abcd", "is no digest"},
		{command, "env = LD_PRELOAD", "no client may set it"},
		{command, "env = A-B=c", "no name of a variable"},
		{env, "env = B", "write them there"},
		{command, "cwd = tmp", "not an absolute path"},
		{command, "cwd = /tmp/", "write /tmp"},
		{command, "umask = 8", "write octal digits"},
		{command, "umask = 1000", "write octal digits"},
		{command, "nice = 20", "from -20 to 19"},
		{command, "stdin = maybe", "write yes or no"},
		{read, "stdin = no", "is its standard input"},
		{command, "network = some", "write all or none"},
		{command, "no_new_privs = maybe", "write no or yes"},
		{command, "audit = all", "write brief or full"},
		{command, "read = /a/../b", "write /b"},
		{root, "read = /srv", "needs a run_as other than root"},
		{command, "user = 0:5\nwrite = /srv", "needs a run_as other than root"},
		{command, "capabilities = CAP_FOWNER\nread = /srv", "needs capabilities without CAP_FOWNER"},
		{kill, "umask = 022", "a KillFilter starts no command"},
		{kill, "lock = x", "a KillFilter starts no command"},
	} {
		for _, semantics := range []filters.Semantics{filters.Strict, filters.Oslo} {
			config := sectionConfig
			config.Semantics = semantics
			_, _, err := filters.ParsePolicy(config, []filters.Source{{File: "test.filters", Text: []byte("[Filters]\n" + c.rule + "[a]\n" + c.section + "\n")}})
			line := fmt.Sprintf("test.filters:%d: ", 3+strings.Count(c.section, "\n")+1)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), line) {
				t.Errorf("%v: %s: %v, want %s%s", semantics, c.section, err, line, c.want)
			}
		}
	}
}

var sectionConfig = filters.Config{File: "test.conf", ExecDirs: []string{"/bin"}, HasCapabilities: true, Capabilities: []string{"CAP_NET_ADMIN", "CAP_FOWNER"}, LockPath: "/run/locks", FencePath: "/var/lib/fences"}

// What a key says is also of what the configuration is without.
func TestSectionNeedsConfig(t *testing.T) {
	for section, want := range map[string]string{
		"lock = x":       "has no lock_path",
		"fence = x":      "has no fence_path",
		"network = none": "with CAP_SYS_ADMIN the command could enter another network",
	} {
		config := filters.Config{File: "test.conf", ExecDirs: []string{"/bin"}}
		_, _, err := filters.ParsePolicy(config, []filters.Source{{File: "test.filters", Text: []byte("[Filters]\na: CommandFilter, ip, root\n[a]\n" + section + "\n")}})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "test.filters:4: ") {
			t.Errorf("%s: %v, want %s", section, err, want)
		}
	}
}

// TestSection reads every key.
func TestSection(t *testing.T) {
	p, _, err := filters.ParsePolicy(sectionConfig, []filters.Source{{File: "test.filters", Text: []byte(`[Filters]
a: CommandFilter, ip, root
[A]
capabilities = CAP_NET_ADMIN
user = nobody
group = 12
groups =
lock = netlink, bridge
fence = bridge
timeout = 1m30s
clients = nova, @admin, 42, @43
sha256 = ` + strings.Repeat("ab", 32) + `
env = COLOUR, SHAPE=a=b
cwd = /srv
umask = 027
nice = -5
rlimit_nofile = 10:unlimited
stdin = no
read = /srv, /etc/x
write = /var/tmp
network = none
audit = full
lifetime = detached
`)}})
	if err != nil {
		t.Fatal(err)
	}
	r := p.Rules()[0]
	s := *r.Section
	s.Items, s.SHA256 = nil, nil
	want := filters.Section{Line: 3, Capabilities: []string{"CAP_NET_ADMIN"}, HasCapabilities: true, Group: "12", HasGroups: true,
		Locks: []string{"bridge", "netlink"}, Fence: "bridge", Timeout: 90 * time.Second, Clients: []string{"nova", "@admin", "42", "@43"},
		Env: []filters.EnvItem{{Name: "COLOUR"}, {Name: "SHAPE", Value: "a=b", Fixed: true}}, Cwd: "/srv", Umask: 0o27, HasUmask: true, Nice: -5,
		Limits: []filters.Limit{{Resource: "nofile", Soft: 10, Hard: filters.Unlimited}}, NoStdin: true, Read: []string{"/srv", "/etc/x"}, Write: []string{"/var/tmp"},
		NoNetwork: true, NoNewPrivileges: true, FullAudit: true}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("%+v, want %+v", s, want)
	}
	if r.RunAs != "nobody" || !r.Detached || len(r.Section.Items) != 20 || len(r.Section.SHA256) != 32 {
		t.Errorf("%+v", r)
	}
}

// A rule with clients is for these alone, whoever else asks gets the next.
func TestSectionClients(t *testing.T) {
	p, _, err := policy(filters.Strict, "a: CommandFilter, ip, nobody\nb: CommandFilter, ip, root\n[a]\nclients = nova, @admin\n[b]\nclients = root\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		client filters.Client
		want   string
	}{{is("nova"), "a"}, {is("@admin"), "a"}, {is("root"), "b"}, {is("admin"), ""}, {nil, ""}} {
		v := judge(p, &fake{}, filters.Request{Argv: []string{"ip"}, Client: c.client})
		name := ""
		if v.Outcome == filters.Match {
			name = v.Rule.Name
		} else if len(v.Near) != 2 || !strings.Contains(v.Near[0].Told, "clients nova, @admin alone") {
			t.Errorf("%v: %+v", c.client, v.Near)
		}
		if name != c.want {
			t.Errorf("%v: rule %q, want %q", c.client, name, c.want)
		}
	}
}

type is string

func (c is) Is(who string) bool { return who == string(c) }
