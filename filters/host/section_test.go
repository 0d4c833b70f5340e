//go:build linux

package host_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/internal/testenv"
)

func parseWith(config, text string) (*host.Loaded, error) {
	cfg, _, err := filters.ParseConfig("r.conf", []byte("[DEFAULT]\nfilters_path=/nonexistent\nexec_dirs=/bin,/usr/bin\n"+config), true)
	if err != nil {
		return nil, err
	}
	p, _, err := filters.ParsePolicy(cfg, []filters.Source{{File: "one.filters", Text: []byte(text)}})
	if err != nil {
		return nil, err
	}
	return host.New(cfg, p, host.Options{UntrustedFiles: true})
}

// What a section names and this machine does not have refuses the policy in both semantics, with file and line.
func TestSectionsOfThisMachine(t *testing.T) {
	const rule = "[Filters]\na: CommandFilter, cat, nobody\n[a]\n"
	for section, want := range map[string]string{
		"group = nosuchgroup":          "one.filters:4: group of rule \"a\": group \"nosuchgroup\" is not in /etc/group",
		"groups = root, nosuchgroup":   "one.filters:4: groups of rule \"a\": group \"nosuchgroup\"",
		"clients = root, nosuchuser":   "one.filters:4: clients of rule \"a\": user \"nosuchuser\"",
		"clients = @nosuchgroup":       "one.filters:4: clients of rule \"a\": group \"nosuchgroup\"",
		"stdin = no\nread = /dev/fd":   "one.filters:5: read of rule \"a\": /dev/fd leads through a link",
		"lock = x\ngroup = nosuchgrup": "one.filters:5: group of rule \"a\"",
	} {
		for _, semantics := range []string{"strict", "oslo"} {
			_, err := parseWith("lock_path=/nonexistent/locks\nsemantics="+semantics+"\n", rule+section+"\n")
			if err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%s: %s: %v", semantics, section, err)
			}
		}
	}
	if _, err := parseWith("lock_path=/etc/passwd\nlock_path_shared=yes\n", rule+"lock = x\n"); err == nil || !strings.Contains(err.Error(), "r.conf:4: lock_path: /etc/passwd is no folder") {
		t.Errorf("a lock_path that is none: %v", err)
	}
	if _, err := parseWith("fence_path=/etc/passwd\n", rule+"fence = x\n"); err == nil || !strings.Contains(err.Error(), "r.conf:4: fence_path: /etc/passwd is a regular file, not a folder") {
		t.Errorf("a fence_path that is none: %v", err)
	}
}

// Python's rootwrap loads a file with sections, and gives for it the verdicts that it gives without them; so do we in Oslo.
func TestPythonIgnoresSections(t *testing.T) {
	python := "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import oslo_rootwrap").Run(); err != nil {
		testenv.Miss(t, "needs oslo.rootwrap (Debian package python3-oslo.rootwrap)")
	}
	const rules = `[Filters]
ls: CommandFilter, ls, root
cat: RegExpFilter, cat, nobody, cat, /tmp/[a-z]*
env: EnvFilter, env, root, A=, head
`
	const sections = `[ls]
capabilities =
groups = daemon
timeout = 30s
lock = netlink, bridge
fence = bridge
env = COLOUR, SHAPE=round
cwd = /tmp
umask = 027
nice = 3
rlimit_nofile = 20:40
clients = root, @daemon
stdin = no
audit = full
lifetime = detached
[cat]
read = /tmp
write = /var/tmp
no_new_privs = yes
[env]
network = none
sha256 = 0000000000000000000000000000000000000000000000000000000000000000
`
	requests := [][]string{{"ls"}, {"ls", "-l"}, {"cat", "/tmp/x"}, {"cat", "/etc/passwd"}, {"env", "A=1", "head"}, {"head"}, {"rm"}}
	dir := rootDir(t)
	l, err := parseWith("semantics=oslo\nlock_path=/nonexistent/locks\nfence_path=/nonexistent/fences\ncapabilities=\n", rules+sections)
	must(t, err)
	for name, text := range map[string]string{"bare": rules, "sections": rules + sections} {
		write(t, dir+"/"+name+"/one.filters", text)
	}
	script := `import json, sys
from oslo_rootwrap import wrapper
for request in json.loads(sys.argv[2]):
    try:
        f = wrapper.match_filter(wrapper.load_filters([sys.argv[1]]), request, ['/bin', '/usr/bin'])
        print(json.dumps([f.name, f.get_command(request, ['/bin', '/usr/bin'])]))
    except wrapper.NoFilterMatched:
        print('null')
`
	asked, err := json.Marshal(requests)
	must(t, err)
	bare := testenv.Output(t, exec.Command(python, "-c", script, dir+"/bare", string(asked)))
	with := testenv.Output(t, exec.Command(python, "-c", script, dir+"/sections", string(asked)))
	if string(bare) != string(with) {
		t.Errorf("rootwrap says with sections\n%s and without\n%s", with, bare)
	}
	for i, line := range strings.Split(strings.TrimSpace(string(with)), "\n") {
		var want []any
		must(t, json.Unmarshal([]byte(line), &want))
		v := l.Policy.Decide(l.Machine, filters.Request{Argv: requests[i], Client: l.Client(0, nil)})
		var got []any
		if v.Outcome == filters.Match {
			got = []any{v.Rule.Name, v.Command()}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%q: %v, rootwrap: %v", requests[i], got, want)
		}
		must(t, v.Close())
	}
}

// Who asks is the user and the groups that the kernel says, or those of /etc/group.
func TestClient(t *testing.T) {
	l, err := parseWith("", "[Filters]\na: CommandFilter, cat, nobody\n[a]\nclients = root, @daemon, 1234, @4321\n")
	must(t, err)
	for _, c := range []struct {
		client filters.Client
		want   []string
	}{
		{l.Client(0, nil), []string{"root"}},
		{l.Client(5, []uint32{1, 4321}), []string{"@daemon", "@4321"}},
		{l.Client(1234, []uint32{}), []string{"1234"}},
		{l.Client(1, nil), []string{"@daemon"}}, // by /etc/group
		{l.Client(1, []uint32{}), nil},
	} {
		for _, who := range []string{"root", "@daemon", "1234", "@4321", "@root", "0"} {
			if c.client.Is(who) != slices.Contains(c.want, who) {
				t.Errorf("%+v: %s", c.want, who)
			}
		}
	}
}
