package filters_test

import (
	"strings"
	"testing"

	"github.com/privhelper/privhelper/filters"
)

// An ArgvFilter means the same in both semantics.
func TestArgvFilter(t *testing.T) {
	closed := 0
	m := &fake{links: map[string]string{"/data/out": "/etc"}, missing: map[string]bool{"/data/gone": true}, closed: &closed}
	const rules = `link: ArgvFilter, ip, root, link, set, <ifname>, up|down
dd: ArgvFilter, dd, root, if=/dev/zero, of=<path:/data>
cat: ArgvFilter, /bin/cat, root, <path:/data,fd>*
netns: ChainingRegExpFilter, ip, root, ip, netns, exec, [a-z]+
bare: ArgvFilter, sync, nobody
`
	for _, semantics := range []filters.Semantics{filters.Strict, filters.Oslo} {
		p, warnings, err := policy(semantics, rules)
		if err != nil || len(warnings) > 0 {
			t.Fatal(err, warnings)
		}
		for _, c := range []struct {
			argv, want string // the command, or a part of the reason
		}{
			{"ip link set eth0 up", "/usr/sbin/ip link set eth0 up"},
			{"ip link set eth0 upper", `argument 4, "upper", is not up|down`},
			{"ip link set -all up", "is an option that the rule does not have"},
			{"dd if=/dev/zero of=/data/a/../b", "/usr/sbin/dd if=/dev/zero of=/data/b"},
			{"dd if=/dev/zero of=/data/out/passwd", "is not below /data"},
			{"dd if=/dev/zero of=/data-evil/x", "is not below /data"},
			{"dd if=/dev/zero of=data/x", "is not of=<path:/data>"},
			{"/bin/cat /data/1 /data/2", "/bin/cat /data/1 /data/2"},
			{"cat /data/1 /data/gone", "cannot be held open"},
			{"cat", "it ends after 0 arguments"},
			{"sync", "/usr/sbin/sync"},
			{"sync x", "one more than the rule allows"},
			{"ip netns exec ns cat /data/x/../y", "/usr/sbin/ip netns exec ns /bin/cat /data/y"},
			{"ip netns exec ns cat /data/out/shadow", "is not below /data"},
		} {
			v := judge(p, m, filters.Request{Argv: strings.Fields(c.argv)})
			got := strings.Join(v.Command(), " ")
			for _, n := range v.Near {
				got += n.Reason + "\n"
			}
			if !strings.Contains(got, c.want) || (v.Outcome == filters.Match) != strings.HasPrefix(c.want, "/") {
				t.Errorf("%s: %s: %v %s, want %s", semantics, c.argv, v.Outcome, got, c.want)
			}
			open := closed
			v.Close()
			if closed-open != len(v.Files) {
				t.Errorf("%s: %d files were held, and %d came back", c.argv, len(v.Files), closed-open)
			}
		}
	}
	// Two that ran held five files, in two semantics; those refused half-way gave back the one that they had, each time
	// they were judged.
	if closed != 2*(2+1+2) {
		t.Errorf("%d files came back", closed)
	}
}

// A held file is known by its place, in a chain too.
func TestHeldFiles(t *testing.T) {
	p, _, err := policy(filters.Strict, "cat: ArgvFilter, cat, root, <path:/data,fd>, x=<path:/data,fd>\nns: ChainingRegExpFilter, ip, root, ip, netns, exec, [a-z]+\n")
	if err != nil {
		t.Fatal(err)
	}
	v := p.Decide(&fake{}, filters.Request{Argv: strings.Fields("ip netns exec ns cat /data/1 x=/data/2")})
	defer v.Close()
	if len(v.Files) != 2 || v.Argv[v.Files[0].Arg][v.Files[0].Offset:] != "/data/1" || v.Argv[v.Files[1].Arg][v.Files[1].Offset:] != "/data/2" {
		t.Errorf("%q: %+v", v.Argv, v.Files)
	}
}

func TestArgvErrors(t *testing.T) {
	for rule, want := range map[string]string{
		"a: ArgvFilter, ip, root, <int:5-1>":    "test.filters:2: rule \"a\": <int:5-1> is empty",
		"a: ArgvFilter, ip, root,":              "an argument is empty",
		"a: ArgvFilter, ip":                     "ArgvFilter needs run_as",
		"a: ArgvFilter, bin/ip, root, x":        "neither an absolute path nor a bare name",
		"a: ArgvFilter, ip, 4294967295:0, x":    "is not an id",
		"a: ArgvFilter, ip, root, [x, <re:,|>>": "cannot stand here",
	} {
		for _, semantics := range []filters.Semantics{filters.Strict, filters.Oslo} {
			if _, _, err := policy(semantics, rule+"\n"); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %s", rule, err, want)
			}
		}
	}
}
