package suggest_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/lint"
	"github.com/privhelper/privhelper/filters/suggest"
	"github.com/privhelper/privhelper/privsep/daemon/audit"
)

// machine has every program, and no links.
type machine struct{ filters.Machine }

func (machine) Executable(path string, _ bool) (string, error) { return path, nil }
func (machine) RealPath(p string) string                       { return path.Clean(p) }

func (machine) Beneath(dir, p string) (string, error) {
	if p = path.Clean(p); p != dir && !strings.HasPrefix(p, dir+"/") {
		return "", errors.New("outside")
	}
	return p, nil
}

// lines makes refused lines of commands that are divided by newlines.
func lines(commands string) (out []suggest.Line) {
	for c := range strings.SplitSeq(strings.TrimSpace(commands), "\n") {
		out = append(out, suggest.Line{Argv: strings.Fields(c)})
	}
	return out
}

func policy(t testing.TB, text string) *filters.Policy {
	t.Helper()
	p, _, err := filters.ParsePolicy(filters.Config{ExecDirs: []string{"/usr/bin"}}, []filters.Source{{File: "proposed.filters", Text: []byte(text)}})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return p
}

// TestPropose: rules as a person would write them.
func TestPropose(t *testing.T) {
	for commands, want := range map[string]string{
		"ip link set eth0 up":                                                    "ip-link-set: ArgvFilter, ip, root, link, set, eth0, up",
		"ip link set eth0 up\nip link set eth0 down":                             "ip-link-set: ArgvFilter, ip, root, link, set, eth0, down|up",
		"ip link set eth0 up\nip link set eth7 down":                             "ip-link-set: ArgvFilter, ip, root, link, set, eth<int:0-7>, down|up",
		"ip link set qr-1a up\nip link set qr-b2 up":                             "ip-link-set: ArgvFilter, ip, root, link, set, qr-<name>, up",
		"ip link set lo up\nip link set eth0 up":                                 "ip-link-set: ArgvFilter, ip, root, link, set, <ifname>, up",
		"ip link show\nip addr show":                                             "ip: ArgvFilter, ip, root, addr|link, show",
		"ip link set eth0 mtu 1450\nip link set eth0 mtu 9000":                   "ip-link-set: ArgvFilter, ip, root, link, set, eth0, mtu, <int:1450-9000>",
		"ip netns add ns1\nip netns add tenant-2":                                "ip-netns-add: ArgvFilter, ip, root, netns, add, <netns>",
		"ip -n ns1 addr add 10.0.0.1/8 dev lo\nip -n x7 addr add ::1/64 dev lo":  "ip: ArgvFilter, ip, root, -n, <netns>, addr, add, <cidr>, dev, lo",
		"arping -c 1 10.0.0.1\narping -c 1 10.0.0.2":                             "arping: ArgvFilter, arping, root, -c, 1, <ip>",
		"lvs vg/9e107d9d-372b-4677-8a2b-f9b3c6b1f4ab":                            "lvs: ArgvFilter, lvs, root, vg/9e107d9d-372b-4677-8a2b-f9b3c6b1f4ab",
		"blockdev --id 9e107d9d-372b-4677-8a2b-f9b3c6b1f4ab":                     "blockdev: ArgvFilter, blockdev, root, --id, <uuid>",
		"mount /srv/v/a /srv/m/a\nmount /srv/v/b /srv/m/b":                       "mount: ArgvFilter, mount, root, <path:/srv/v>, <path:/srv/m>",
		"cp /etc/shadow /x\ncp /etc/passwd /x":                                   "cp: ArgvFilter, cp, root, /etc/passwd|/etc/shadow, /x",
		"dd if=/dev/zero of=/srv/v/a\ndd if=/dev/zero of=/srv/v/b":               "dd: ArgvFilter, dd, root, if=/dev/zero, of=<path:/srv/v>",
		"tar -xf /srv/v/a\ntar -xf /srv/v/b":                                     "tar: ArgvFilter, tar, root, -xf, /srv/v/a|/srv/v/b",
		"lspci --slot=1\nlspci --slot=12":                                        "lspci: ArgvFilter, lspci, root, --slot=<int:1-12>",
		"lspci -v\nlspci -k":                                                     "lspci: ArgvFilter, lspci, root, -k\nlspci-2: ArgvFilter, lspci, root, -v",
		"x a|b":                                                                  `x: ArgvFilter, x, root, a\|b`,
		"useradd a-1 wheel\nuseradd b-2 users":                                   "useradd: ArgvFilter, useradd, root, <name>, users|wheel",
		"/usr/sbin/ip link":                                                      "ip-link: ArgvFilter, /usr/sbin/ip, root, link",
		"kill -9 12":                                                             "left: kill -9 12: a process id says nothing of what it belongs to: write a KillFilter",
		"env A=1 b":                                                              "left: env A=1 b: env runs what its arguments name: write an EnvFilter",
		"./x":                                                                    "left: ./x: its name is a relative path",
		"mysql -p***":                                                            "left: mysql -p***: argument 1 is a secret, which the log does not show",
		"sh a1\nsh a2\nsh a3\nsh a4\nsh a5\nsh a6\nsh a7\nsh b8\nsh b9\nsh b10x": "left: sh a1: argument 1 has 10 values of no common kind",
		"true": "true: ArgvFilter, true, root",
	} {
		p := suggest.Propose(lines(commands), suggest.Options{RunAs: "root"})
		var got []string
		for _, r := range p.Rules {
			got = append(got, r.String())
		}
		for _, l := range p.Left {
			got = append(got, fmt.Sprintf("left: %s: %s", strings.Join(l.Argv, " "), l.Reason))
		}
		if strings.Join(got, "\n") != want {
			t.Errorf("%s\n\tproposed %s\n\twant     %s", commands, strings.Join(got, "\n\t         "), want)
		}
	}
}

// TestCombinations: two lines never allow a third that mixes their words.
func TestCombinations(t *testing.T) {
	p := suggest.Propose(lines("x start net\nx stop disk"), suggest.Options{RunAs: "root"})
	policy := policy(t, p.Text())
	for _, argv := range []string{"x start disk", "x stop net"} {
		if v := policy.Decide(machine{}, filters.Request{Argv: strings.Fields(argv)}); v.Outcome != filters.Unauthorized {
			t.Errorf("%s is allowed by\n%s", argv, p.Text())
		}
	}
}

// vocabulary is what arguments are made of in the property test.
var vocabulary = []string{
	"link", "set", "up", "down", "-n", "--force", "--mtu=1400", "--mtu=9000", "eth0", "eth12", "tap-1", "tap-22", "lo",
	"10.0.0.1", "fe80::1", "10.0.0.0/8", "02:00:00:00:00:01", "02:00:00:00:00:02", "1", "17", "007", "-5", "4294967296",
	"9e107d9d-372b-4677-8a2b-f9b3c6b1f4ab", "9e107d9d-372b-4677-8a2b-f9b3c6b1f4ac", "/srv/v/a", "/srv/v/b", "/srv/m/x/y",
	"/etc/passwd", "/etc/../x", "/", "if=/dev/zero", "of=/srv/v/a", "of=/srv/v/b", "of=", "a,b", "a|b", "<x>", "[y]", "*", `\`,
	"a b", "ünï", "key=value=more", "=", "#", ";", "a:b", ".hidden", "x;reboot", "%r", "Name",
}

// made makes lines of random words: few shapes, so that they meet.
func made(r *rand.Rand) (out []suggest.Line) {
	programs := []string{"ip", "x", "/usr/bin/mount", "tar"}
	for range 1 + r.IntN(40) {
		argv := []string{programs[r.IntN(len(programs))]}
		for range r.IntN(4) {
			argv = append(argv, vocabulary[r.IntN(len(vocabulary))])
		}
		l := suggest.Line{Argv: argv, Allowed: r.IntN(2) == 0}
		for range r.IntN(6) / 4 * (1 + r.IntN(2)) {
			l.Env = append(l.Env, []string{"A=1", "A=2", "B=a,b", "C= x", "D=***", "LD_PRELOAD=/x", "E=\x80"}[r.IntN(7)])
		}
		if l.Allowed {
			l.Rule, l.RunAs = "broad", []string{"root", "nobody"}[r.IntN(2)]
		}
		out = append(out, l)
	}
	return out
}

// TestEveryLineIsAllowed: whatever the lines are, the proposal parses, allows every line that it does not leave out, as the
// user it ran as, and allows none of them with an option in the place of a value; and what it proposes is the same for
// another order of the lines.
func TestEveryLineIsAllowed(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for range 600 {
		lines := made(r)
		p := suggest.Propose(lines, suggest.Options{RunAs: "root"})
		if !holds(t, p, lines) {
			t.Fatalf("seed %d: %+v", seed, lines)
		}
		text := p.Text()
		r.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		if again := suggest.Propose(lines, suggest.Options{RunAs: "root"}); rulesOf(again) != rulesOf(p) {
			t.Fatalf("seed %d: in another order\n%s\n%s", seed, text, again.Text())
		}
	}
}

// BenchmarkPropose is a week's log: 100,000 lines of 20 kinds.
func BenchmarkPropose(b *testing.B) {
	var lines []suggest.Line
	for i := range 100_000 {
		lines = append(lines, suggest.Line{Argv: []string{"ip", "-n", fmt.Sprint("tenant-", i), "link", "set", fmt.Sprint("eth", i%7), []string{"up", "down"}[i%2], fmt.Sprint("k", i%20)}})
	}
	for b.Loop() {
		suggest.Propose(lines, suggest.Options{RunAs: "root"})
	}
}

func rulesOf(p suggest.Proposal) string {
	var b strings.Builder
	for _, r := range p.Rules {
		b.WriteString(r.String() + "\n")
	}
	return b.String()
}

func holds(t testing.TB, p suggest.Proposal, lines []suggest.Line) bool {
	policy := policy(t, p.Text())
	if len(policy.Rules()) != len(p.Rules) {
		t.Errorf("%d rules of %d:\n%s", len(policy.Rules()), len(p.Rules), p.Text())
		return false
	}
	count := 0
	for _, l := range p.Left {
		count += l.Count
	}
	for i, r := range p.Rules {
		count += len(r.Lines)
		alone := policyOf(t, r)
		for _, l := range r.Lines {
			v := alone.Decide(machine{}, filters.Request{Argv: l.Argv, Env: l.Env})
			if v.Outcome != filters.Match || l.Allowed && v.RunAs != l.RunAs || !l.Allowed && v.RunAs != "root" {
				t.Errorf("%q of %s is not allowed", l.Argv, r)
				return false
			}
			if !slices.Equal(v.Argv[1:], l.Argv[1:]) {
				t.Errorf("%q runs as %q", l.Argv, v.Argv)
				return false
			}
			for at := range l.Argv[1:] {
				for _, option := range []string{"-x", "--option=y", "-", "--"} {
					argv := slices.Clone(l.Argv)
					argv[at+1] = option
					if slices.ContainsFunc(r.Lines, func(l suggest.Line) bool { return l.Argv[at+1] == option }) {
						continue
					}
					if v := alone.Decide(machine{}, filters.Request{Argv: argv, Env: l.Env}); v.Outcome != filters.Unauthorized {
						t.Errorf("rule %d, %s, allows %q", i, r, argv)
						return false
					}
				}
			}
		}
	}
	if count != len(lines) {
		t.Errorf("%d lines of %d are accounted for", count, len(lines))
		return false
	}
	return true
}

func policyOf(t testing.TB, r suggest.Rule) *filters.Policy {
	return policy(t, suggest.Proposal{Rules: []suggest.Rule{r}}.Text())
}

// TestEnvironment: variables that were set may be set, and no loader's.
func TestEnvironment(t *testing.T) {
	p := suggest.Propose([]suggest.Line{
		{Argv: []string{"x", "1"}, Env: []string{"A=1", "B=x"}}, {Argv: []string{"x", "2"}, Env: []string{"A=1", "B=y"}},
		{Argv: []string{"x"}, Env: []string{"LD_PRELOAD=/tmp/x"}}, {Argv: []string{"x"}, Dir: "/srv"},
	}, suggest.Options{RunAs: "root"})
	if len(p.Rules) != 1 || !slices.Equal(p.Rules[0].Env, []string{"A=1", "B"}) || len(p.Left) != 2 || !strings.Contains(p.Text(), "\n[x]\nenv = A=1, B\n") {
		t.Fatalf("%+v\n%s", p, p.Text())
	}
	policy := policy(t, p.Text())
	for env, want := range map[string]filters.Outcome{"A=1 B=z": filters.Match, "A=2 B=z": filters.Unauthorized, "A=1 C=1": filters.Unauthorized} {
		if v := policy.Decide(machine{}, filters.Request{Argv: []string{"x", "1"}, Env: strings.Fields(env)}); v.Outcome != want {
			t.Errorf("%s: %v", env, v.Outcome)
		}
	}
}

// TestProposalsAreClean: check finds nothing dangerous in what is proposed, which it would in broad rules.
func TestProposalsAreClean(t *testing.T) {
	p := suggest.Propose(lines("tee /srv/v/a\ntee /srv/v/b\nsh -c ls\ntar -xf /srv/v/a\nchmod 644 /srv/v/a\nchmod 600 /srv/v/b"), suggest.Options{RunAs: "root"})
	policy := policy(t, p.Text())
	for _, f := range lint.Check(lint.Input{Policy: policy, Config: filters.Config{HasCapabilities: true}}) {
		if f.Severity > lint.Note {
			t.Errorf("%s\n%s", f, p.Text())
		}
	}
}

// TestRead: lines as the audit log writes them are read, and nothing else is taken for one.
func TestRead(t *testing.T) {
	var log strings.Builder
	to := audit.New(&log)
	rule := &filters.Rule{Name: "broad", File: "/etc/x.filters", Line: 3, RunAs: "root"}
	match := filters.Verdict{Outcome: filters.Match, Rule: rule, RunAs: "root", Path: "/bin/ip", Argv: []string{"ip"}}
	for _, e := range []audit.Entry{
		{Request: filters.Request{Argv: []string{"ip", "ü\x80\n\"", ""}}, Verdict: match},
		{Request: filters.Request{Argv: []string{"a"}, Env: []string{"A=1"}, Dir: "/srv"}},
		{Request: filters.Request{Argv: []string{"b", strings.Repeat("x", 10_000)}}},
		{Request: filters.Request{Argv: []string{"c"}}, Verdict: match, Err: errors.New("no")},
	} {
		to.Decision(e)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	text := log.String() + "Nov 25 11:00:00 host privhelper[7]: " + `{"decision": "unauthorized", "argv": ["d"]}` + "\n" +
		"nonsense\n{\n{}\n" + `{"decision": "match", "argv": []}` + "\n" + `{"decision": "match", "argv": "x"}` + "\n" + `{"event": "end", "argv": ["e"]}` + "\n"
	lines, skipped, err := suggest.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range lines {
		got = append(got, fmt.Sprintf("%q %q %q %t %s %s %s", l.Argv, l.Env, l.Dir, l.Allowed, l.Rule, l.File, l.RunAs))
	}
	want := []string{`["ip" "ü\x80\n\"" ""] [] "" true broad /etc/x.filters root`, `["a"] ["A=1"] "/srv" false   `, `["d"] [] "" false   `}
	if !slices.Equal(got, want) || skipped.Cut != 1 || skipped.Other != 7 {
		t.Errorf("%q\n%+v\n%s", got, skipped, log.String())
	}
	if _, _, err := suggest.Read(io.MultiReader(strings.NewReader("{"), failing{})); !errors.Is(err, errBroken) {
		t.Errorf("the reader's error is lost: %v", err)
	}
}

var errBroken = errors.New("broken")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errBroken }

// FuzzPropose: any log makes a proposal that parses and allows what it was made from.
func FuzzPropose(f *testing.F) {
	f.Add(`{"decision": "match", "run_as": "root", "argv": ["ip", "link", "set", "a", "up"]}` + "\n" + `{"decision": "unauthorized", "argv": ["ip", "link", "set", "b1", "up"]}`)
	f.Add(`{"decision": "unauthorized", "argv": ["dd", "of=/srv/v/\u00e9", "a,b", "\\"]}`)
	f.Fuzz(func(t *testing.T, log string) {
		lines, _, err := suggest.Read(strings.NewReader(log))
		if err != nil {
			return
		}
		for i := range lines {
			if lines[i].Allowed && lines[i].RunAs != "root" {
				lines[i].RunAs = "nobody" // what a policy would not have loaded is not in its log
			}
		}
		holds(t, suggest.Propose(lines, suggest.Options{RunAs: "root"}), lines)
	})
}

func Example() {
	log := `{"decision": "match", "argv": ["ip", "link", "set", "tap0", "up"], "rule": "ip", "run_as": "root"}
{"decision": "match", "argv": ["ip", "link", "set", "tap7", "up"], "rule": "ip", "run_as": "root"}`
	lines, _, _ := suggest.Read(strings.NewReader(log))
	for _, r := range suggest.Propose(lines, suggest.Options{RunAs: "root"}).Rules {
		fmt.Println(r)
	}
	// Output: ip-link-set: ArgvFilter, ip, root, link, set, tap<int:0-7>, up
}
