package lint_test

import (
	"fmt"
	pathpkg "path"
	"slices"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/lint"
)

// machine is one on which every program is there but those named gone, and loose ones are everybody's.
type machine struct{ filters.Machine }

func (machine) Executable(path string, trusted bool) (string, error) {
	switch {
	case strings.Contains(path, "gone"):
		return "", filters.ErrNotExecutable
	case strings.Contains(path, "loose") && trusted:
		return "", fmt.Errorf("%s is writable by everybody", path)
	}
	return path, nil
}

func (machine) RealPath(path string) string {
	return strings.Replace(pathpkg.Clean(path), "/link", "/target", 1)
}

func (machine) Writable(dir string) (folder, who string) {
	if strings.HasPrefix(dir, "/srv/shared") {
		return dir, "everybody"
	}
	return "", ""
}

// check returns the findings of rules, in a policy of given semantics.
func check(t *testing.T, semantics, rules string) []lint.Finding {
	t.Helper()
	cfg, _, err := filters.ParseConfig("p.conf", []byte("[DEFAULT]\nfilters_path=/none\nexec_dirs=/usr/bin\ncapabilities=CAP_NET_ADMIN,CAP_SETUID\nsemantics="+semantics+"\n"), true)
	if err != nil {
		t.Fatal(err)
	}
	sources := []filters.Source{{File: "a.filters", Text: []byte("[Filters]\n" + rules)}}
	p, left, errs := lint.Parse(cfg, sources)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return lint.Check(lint.Input{Config: cfg, Policy: p, Sources: left, Machine: machine{}, Nsswitch: "passwd: files systemd\ngroup: files\n"})
}

// TestLints: each lint finds what it is for, and does not find what is as it should be.
func TestLints(t *testing.T) {
	for _, test := range []struct {
		name  lint.Name
		rules string
		want  bool
	}{
		{lint.DangerousProgram, "a: CommandFilter, tee, root", true},
		{lint.DangerousProgram, "a: CommandFilter, /usr/bin/python3.11, root", true},
		{lint.DangerousProgram, "a: CommandFilter, lspci, root", false},
		{lint.DangerousProgram, "a: ArgvFilter, tee, root, <path:/sys/class/net>", false},
		{lint.DangerousProgram, "a: ArgvFilter, tar, root, <re:.+>", true},
		{lint.DangerousProgram, "a: ArgvFilter, tar, root, <re:[a-z.]+>", false},
		{lint.DangerousProgram, "a: RegExpFilter, tar, root, tar, .*", true},
		{lint.DangerousProgram, "a: RegExpFilter, tar, root, tar, [a-z-]+", true}, // --to-command comes by the same door
		{lint.DangerousProgram, "a: RegExpFilter, tar, root, tar, tf, /var/lib/x\\.tar", false},
		{lint.DangerousProgram, "a: PathFilter, chmod, root, pass, /var/lib/x", true},
		{lint.DangerousProgram, "a: PathFilter, chmod, root, 0640, /var/lib/x", false},
		{lint.DangerousProgram, "a: EnvFilter, env, root, A=, dnsmasq", true},
		{lint.AnyArguments, "a: CommandFilter, lspci, root", true},
		{lint.AnyArguments, "a: CommandFilter, tee, root", false}, // said already
		{lint.AnyArguments, "a: IpFilter, ip, root", true},
		{lint.AnyArguments, "a: ArgvFilter, lspci, root", false},
		{lint.IgnoredArguments, "a: CommandFilter, lspci, root, -v", true},
		{lint.IgnoredArguments, "a: CommandFilter, lspci, root", false},
		{lint.OpenPattern, "a: RegExpFilter, lspci, root, lspci, .*", true},
		{lint.OpenPattern, "a: RegExpFilter, lspci, root, lspci, (?s).+", true},
		{lint.OpenPattern, "a: RegExpFilter, lspci, root, lspci, \\S+", true},
		{lint.OpenPattern, "a: RegExpFilter, lspci, root, lspci, \\d+", false},
		{lint.OpenPattern, "a: ArgvFilter, lspci, root, <re:[^;]*>", true},
		{lint.OptionPattern, "a: ArgvFilter, lspci, root, <re:[a-z-]*>", false}, // a hole that begins an argument matches none
		{lint.OptionPattern, "a: RegExpFilter, lspci, root, lspci, (?!.*\\.\\.).*", true},
		{lint.OptionPattern, "a: RegExpFilter, lspci, root, lspci, [a-z-]+", true},
		{lint.OptionPattern, "a: RegExpFilter, lspci, root, lspci, -[a-z]+", false},
		{lint.OptionPattern, "a: RegExpFilter, lspci, root, lspci, [a-z]+", false},
		{lint.Traversal, "a: RegExpFilter, lspci, root, lspci, /etc/(?!\\.\\.).*", true},
		{lint.Traversal, "a: RegExpFilter, lspci, root, lspci, /etc/(?!.*\\.\\.).*", false},
		{lint.Traversal, "a: RegExpFilter, lspci, root, lspci, if=/dev/.*", true},
		{lint.Traversal, "a: RegExpFilter, lspci, root, lspci, /etc/[a-z./]+\\.conf|/x", true},
		{lint.Traversal, "a: RegExpFilter, lspci, root, lspci, /etc/[a-z/]+", false},
		{lint.Traversal, "a: RegExpFilter, lspci, root, lspci, /etc/[^/]+\\.conf", false},
		{lint.Traversal, "a: ArgvFilter, lspci, root, f=<re:/etc/.*>", true},
		{lint.UnescapedDot, "a: RegExpFilter, lspci, root, lspci, /etc/resolv.conf", true},
		{lint.UnescapedDot, "a: RegExpFilter, lspci, root, lspci, /etc/resolv\\.conf", false},
		{lint.UnescapedDot, "a: RegExpFilter, lspci, root, lspci, a.*b", false},
		{lint.NamePattern, "a: RegExpFilter, lspci, root, -v, x", true},
		{lint.NamePattern, "a: RegExpFilter, /usr/bin/lspci, root, lspci, x", false},
		{lint.NamePattern, "a: RegExpFilter, lspci, root, (/usr/bin/)?lspci, x", false},
		{lint.BroadPath, "a: ArgvFilter, lspci, root, <path:/etc>", true},
		{lint.BroadPath, "a: PathFilter, lspci, root, /", true},
		{lint.BroadPath, "a: ArgvFilter, lspci, root, <path:/var/lib/nova>", false},
		{lint.Shadowed, "a: CommandFilter, lspci, root\nb: RegExpFilter, lspci, root, lspci, -v", true},
		{lint.Shadowed, "a: CommandFilter, lspci, root\nb: RegExpFilter, lspci, root, (lspci|x), -v", false},
		{lint.Shadowed, "a: CommandFilter, lspci, root\nb: CommandFilter, /usr/bin/lspci, root", false}, // its path is left
		{lint.Shadowed, "a: CommandFilter, /usr/bin/lspci, root\nb: CommandFilter, lspci, root", true},
		{lint.Shadowed, "a: RegExpFilter, lspci, root, lspci, -v\nb: CommandFilter, lspci, root", false},
		{lint.Shadowed, "a: CommandFilter, lspci, root\nb: CommandFilter, lspci, nobody", true},
		{lint.Shadowed, "a: CommandFilter, lspci, root\nb: CommandFilter, lspci, nobody\nc: ChainingRegExpFilter, nice, nobody, nice", false},
		{lint.NeverMatches, "a: IpNetnsExecFilter, ip, root\nb: CommandFilter, lspci, nobody", true},
		{lint.NeverMatches, "a: IpNetnsExecFilter, ip, root\nb: CommandFilter, lspci, root", false},
		{lint.NeverMatches, "a: ChainingFilter, nice, root", true},
		{lint.NeverMatches, "a: PathFilter, lspci, root, /srv/link/x", true},
		{lint.NeverMatches, "a: PathFilter, lspci, root, /srv/(a|b)/.*", true},
		{lint.NeverMatches, "a: PathFilter, lspci, root, /srv/x/", false},
		{lint.DuplicateName, "a: CommandFilter, lspci, root\nA: CommandFilter, lsusb, root", true},
		{lint.DuplicateName, "a: CommandFilter, lspci, root\nb: CommandFilter, lspci, root", false},
		{lint.MissingExecutable, "a: ArgvFilter, gone, root", true},
		{lint.MissingExecutable, "a: KillFilter, root, /usr/bin/gone", true},
		{lint.MissingExecutable, "a: ArgvFilter, /usr/bin/lspci, root", false},
		{lint.WritableExecutable, "a: ArgvFilter, loose, root", true},
		{lint.WritableExecutable, "a: ArgvFilter, lspci, root", false},
		{lint.PathRace, "a: ArgvFilter, lspci, root, <path:/srv/shared/x>", true},
		{lint.PathRace, "a: ArgvFilter, lspci, root, <path:/srv/shared/x,fd>", false},
		{lint.PathRace, "a: ArgvFilter, lspci, root, <path:/srv/own>", false},
		{lint.PathRace, "a: RegExpFilter, cat, root, cat, (/var|/usr)?/tmp/vfs[^/]+/etc/shadow", true},
		{lint.PathRace, "a: ReadFileFilter, /tmp/x", true},
		{lint.PathRace, "a: ArgvFilter, lspci, root, --out=/dev/shm/x", true},
		{lint.PathRace, "a: ArgvFilter, lspci, root, /srv/tmp/x", false},
		{lint.PathRace, "a: PathFilter, lspci, root, /srv/shared/x", true},
		{lint.RootCapability, "a: ArgvFilter, lspci, nobody\n[a]\ncapabilities = CAP_SETUID", true},
		{lint.RootCapability, "a: ArgvFilter, lspci, nobody\n[a]\ncapabilities = CAP_NET_ADMIN", false},
		{lint.Nsswitch, "a: ArgvFilter, lspci, nobody\n[a]\nclients = @netdev", true}, // the machine has systemd's
		{lint.Nsswitch, "a: ArgvFilter, lspci, nobody", false},
		{lint.Shadowed, "a: CommandFilter, lspci, root\nb: CommandFilter, lspci, root\n[a]\nclients = nova", false},
		{lint.Shadowed, "a: CommandFilter, lspci, root\nb: CommandFilter, lspci, root\n[b]\nenv = A", false},
		{lint.Shadowed, "a: CommandFilter, lspci, root\nb: CommandFilter, lspci, root\n[b]\ntimeout = 3s", true},
		{lint.UID0OwnsFiles, "a: ArgvFilter, lspci, root", true},
		{lint.UID0OwnsFiles, "a: ArgvFilter, lspci, 0:0", true},
		{lint.UID0OwnsFiles, "a: ArgvFilter, lspci, nobody", false},
	} {
		found := check(t, "strict", test.rules+"\n")
		has := slices.ContainsFunc(found, func(f lint.Finding) bool { return f.Name == test.name })
		if has != test.want {
			t.Errorf("%s in %q: %t, want %t; %v", test.name, test.rules, has, test.want, found)
		}
	}
}

// TestSeverity: capabilities of a rule's own that hold less than they say are a warning, those of the configuration a note.
func TestSeverity(t *testing.T) {
	for rules, want := range map[string]lint.Severity{
		"a: ArgvFilter, lspci, root\n[a]\ncapabilities = CAP_NET_ADMIN\n": lint.Warning,
		"a: ArgvFilter, lspci, root\n":                                    lint.Note,
	} {
		if worst, any := lint.Worst(check(t, "strict", rules)); !any || worst != want {
			t.Errorf("%q: %v %v", rules, worst, any)
		}
	}
	if worst, any := lint.Worst(check(t, "strict", "a: ArgvFilter, lspci, nobody\n")); any {
		t.Errorf("a narrow rule of a user of its own: %v", worst)
	}
	for _, s := range []lint.Severity{lint.Note, lint.Warning, lint.Error} {
		if got, err := lint.ParseSeverity(s.String()); err != nil || got != s {
			t.Errorf("%s is read as %s, %v", s, got, err)
		}
	}
	if _, err := lint.ParseSeverity("fatal"); err == nil {
		t.Error("a severity that does not exist is one")
	}
}

// TestDeviations: what semantics = oslo accepts and strict does not, is named by its deviation.
func TestDeviations(t *testing.T) {
	for rules, want := range map[string]filters.Deviation{
		"a: IpFilter, ip, root":                               filters.IPExec,
		"a: IpNetnsExecFilter, ip, root":                      filters.ChainBasename,
		"a: PathFilter, ls, root, /images":                    filters.PathPrefix,
		"a: ReadFileFilter, /etc/x":                           filters.ReadFile,
		"a: EnvFilter, env, root, A=1, x":                     filters.EnvValues,
		"a: KillFilter, root, /bin/x":                         filters.KillRace,
		"a: RegExpFilter, ls, root, ls, a|b":                  filters.RegexpAnchor,
		"a: CommandFilter, ls, nobody":                        filters.RunAsGroups,
		"a: RegExpFilter, ls, root, ls, /etc/a\\.conf|/etc/b": filters.RegexpAnchor,
	} {
		has := func(semantics string) bool {
			if strings.Contains(rules, "KillFilter, root, /bin/x") && semantics == "strict" {
				return false
			}
			return slices.ContainsFunc(check(t, semantics, rules+"\n"), func(f lint.Finding) bool { return f.Name == lint.Name(want) })
		}
		if !has("oslo") || has("strict") {
			t.Errorf("%s: %s in oslo %t, in strict %t", rules, want, has("oslo"), has("strict"))
		}
	}
	for _, rules := range []string{"a: RegExpFilter, ls, root, ls, (a|b)", "a: RegExpFilter, ls, root, ls, a+", "a: PathFilter, ls, root, /images/"} {
		for _, f := range check(t, "oslo", rules+"\n") {
			if f.Name == lint.Name(filters.RegexpAnchor) || f.Name == lint.Name(filters.PathPrefix) {
				t.Errorf("%s: %s", rules, f)
			}
		}
	}
}

// TestAccept: a comment right above a rule accepts one finding of it, with a reason; one that accepts nothing is found.
func TestAccept(t *testing.T) {
	const rule = "a: CommandFilter, tee, root\n"
	for text, want := range map[string]string{
		rule: "a.filters:2: dangerous-program",
		"# accept dangerous-program: the machine is mine\n" + rule:                                             "",
		"# why:\n# accept dangerous-program: the machine\n# is mine\n" + rule:                                  "",
		"# accept dangerous-program:\n" + rule:                                                                 "a.filters:2: useless-accept a.filters:3: dangerous-program",
		"# accept shadowed: x\n" + rule:                                                                        "a.filters:2: useless-accept a.filters:3: dangerous-program",
		"# accept dangerous-program: x\nb: ArgvFilter, lspci, root\n" + rule:                                   "a.filters:2: useless-accept a.filters:4: dangerous-program",
		"# accept dangerous-program: x\n# accept any-arguments: y\nb: CommandFilter, tar, root\n":              "a.filters:3: useless-accept",
		"# accept any-arguments: y\nb: CommandFilter, lspci, root\n  \n# accept dangerous-program: x\n" + rule: "",
	} {
		var got []string
		for _, f := range check(t, "strict", text) {
			if f.Accepted == "" && f.Name != lint.UID0OwnsFiles {
				got = append(got, fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Name))
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestAcceptFile: above the first section a comment holds for the whole file.
func TestAcceptFile(t *testing.T) {
	cfg := filters.Config{ExecDirs: []string{"/usr/bin"}, HasCapabilities: true}
	sources := []filters.Source{{File: "a.filters", Text: []byte("# accept uid0-owns-files: all of it is root's\n[Filters]\na: ArgvFilter, lspci, root\nb: ArgvFilter, lsusb, root\n")}}
	p, _, errs := lint.Parse(cfg, sources)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	found := lint.Check(lint.Input{Config: cfg, Policy: p, Sources: sources})
	if _, any := lint.Worst(found); any || len(found) != 2 || found[0].Accepted != "all of it is root's" {
		t.Errorf("%+v", found)
	}
}

// TestParse: every error of a policy is found, each once, and the rest is read.
func TestParse(t *testing.T) {
	text := "[Filters]\na: NoSuchFilter, a, root\nb: CommandFilter, b, root\nc: CommandFilter, x/y, root,\n  z\nd: ArgvFilter, d, root, <\n\n[c]\nlifetime = detached\n[nobody]\nlifetime = client\n[b]\nlifetime = for ever\n"
	p, left, errs := lint.Parse(filters.Config{}, []filters.Source{{File: "a.filters", Text: []byte(text)}})
	var lines []int
	for _, e := range errs {
		lines = append(lines, e.Line)
	}
	if !slices.Equal(lines, []int{2, 4, 6, 10, 13}) {
		t.Errorf("lines %d: %v", lines, errs)
	}
	if p == nil || len(p.Rules()) != 1 || p.Rules()[0].Name != "b" || strings.Count(string(left[0].Text), "\n") != strings.Count(text, "\n") {
		t.Errorf("%+v %q", p, left)
	}
	if p, _, errs := lint.Parse(filters.Config{}, []filters.Source{{File: "a.filters", Text: []byte("a = b\n")}}); p != nil || len(errs) == 0 {
		t.Errorf("a file without [Filters]: %v %v", p, errs)
	}
}

// TestNsswitch: names in clients need a machine whose users stand in files.
func TestNsswitch(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "",
		"group: files":                      "",
		"group: files systemd # x":          "systemd",
		"group:\tfiles [success=merge] sss": "sss",
		"shadow: files sss":                 "",
	} {
		if got := strings.Join(lint.OtherSources(text, "group"), " "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestSudoers: lines that leave the configuration to the caller, and lines that do not.
func TestSudoers(t *testing.T) {
	for line, want := range map[string]lint.Name{
		"n ALL=(root) NOPASSWD: /usr/bin/privhelper daemon --config /etc/privhelper/privhelper.conf": "",
		"n ALL=(root) NOPASSWD: /usr/bin/privhelper":                                                 lint.SudoersConfig,
		`n ALL=(root) NOPASSWD: /usr/bin/privhelper ""`:                                              "",
		"n ALL=(root) NOPASSWD: /usr/bin/privhelper daemon *":                                        lint.SudoersConfig,
		"n ALL=(root) NOPASSWD: /usr/bin/privhelper run --config /etc/a.conf *":                      lint.SudoersConfig,
		"n ALL=(root) NOPASSWD: /usr/bin/privhelper run --config /etc/a.conf -- *":                   "",
		"n ALL=(root) NOPASSWD: /usr/bin/privhelper rootwrap /etc/a.conf *":                          "",
		"n ALL=(root) NOPASSWD: /usr/bin/privhelper rootwrap *":                                      lint.SudoersConfig,
		"    (root) NOPASSWD: /usr/bin/neutron-rootwrap /etc/neutron/rootwrap.conf *":                "",
		"    (root) NOPASSWD: /usr/bin/neutron-rootwrap *":                                           lint.SudoersConfig,
		"    (root) NOPASSWD: /usr/bin/neutron-rootwrap /etc/neutron/*.conf":                         lint.SudoersConfig,
		"    (root) NOPASSWD: /usr/bin/privsep-helper *":                                             lint.SudoersConfig,
		"    (root) NOPASSWD: /usr/bin/neutron-rootwrap-daemon /etc/neutron/rootwrap.conf":           "",
		"    (root) SETENV: NOPASSWD: /usr/bin/privhelper daemon":                                    lint.SudoersEnvironment,
		"    (ALL : ALL) ALL":                                   lint.SudoersAny,
		"n ALL = /usr/bin/tee":                                  lint.DangerousProgram,
		"n ALL = /usr/bin/tee /sys/class/net/eth0/mtu":          "",
		"n ALL = /usr/bin/lspci":                                "",
		"n ALL = /opt/bin/":                                     lint.SudoersAny,
		"n ALL = !/usr/bin/su":                                  "",
		"n ALL = sha256:abcdef /usr/bin/privhelper daemon":      "",
		"Defaults !env_reset":                                   lint.SudoersEnvironment,
		"Defaults env_reset, secure_path=/bin":                  "",
		"User_Alias X = root, neutron":                          "",
		"Cmnd_Alias HELPER = /usr/bin/privhelper daemon \\\n *": lint.SudoersConfig,
		"# n ALL=(root) ALL":                                    "",
		"n ALL=(root) /usr/bin/true, (root) NOPASSWD: ALL":      lint.SudoersAny,
	} {
		found := lint.Sudoers("sudoers", []byte("\n"+line+"\n"))
		switch {
		case want == "" && len(found) > 0:
			t.Errorf("%s: %v", line, found)
		case want != "" && (len(found) != 1 || found[0].Name != want || found[0].Line != 2):
			t.Errorf("%s: %v, want %s in line 2", line, found, want)
		}
	}
}

// TestPrograms: each line of the data file can be read, and says something.
func TestPrograms(t *testing.T) {
	for _, name := range strings.Fields("sh env find tar ip dd chmod chown mount tee cp sed awk vim git systemctl python3 /usr/bin/perl5.36 dnsmasq cat") {
		p, ok := lint.Dangerous(name)
		if !ok || p.How == "" || p.Instead == "" || !slices.Contains([]string{"shell", "write", "own", "read", "stop"}, p.Power) {
			t.Errorf("%s: %+v", name, p)
		}
	}
	for _, name := range []string{"true", "lspci", "", "2", "/"} {
		if p, ok := lint.Dangerous(name); ok {
			t.Errorf("%s: %+v", name, p)
		}
	}
	lint.EachProgram(func(name string, p lint.Program) {
		if p.How == "" || p.Instead == "" || !slices.Contains([]string{"shell", "write", "own", "read", "stop"}, p.Power) {
			t.Errorf("programs.txt: %s: %+v", name, p)
		}
	})
}

// FuzzCheck: no policy, comment or sudoers file makes a lint panic, and a finding has a place.
func FuzzCheck(f *testing.F) {
	f.Add("a: RegExpFilter, ls, root, ls, /etc/(?!\\.\\.).*\n", "oslo")
	f.Add("# accept shadowed: x\na: ArgvFilter, tee, root, [-n, <re:a|b>]*, <path:/x,fd>\n", "strict")
	f.Add("x ALL=(root) NOPASSWD: /usr/bin/privhelper *\\\n", "strict")
	f.Add("a: PathFilter, ls, root, pass, /\\\n\ta: KillFilter, root\n", "oslo")
	f.Fuzz(func(t *testing.T, rules, semantics string) {
		lint.Sudoers("s", []byte(rules))
		cfg := filters.Config{}
		if semantics == "oslo" {
			cfg.Semantics = filters.Oslo
		}
		p, left, _ := lint.Parse(cfg, []filters.Source{{File: "a", Text: []byte("[Filters]\n" + rules)}})
		if p == nil {
			return
		}
		for _, finding := range lint.Check(lint.Input{Config: cfg, Policy: p, Sources: left, Machine: machine{}}) {
			if finding.Name == "" || finding.Msg == "" || finding.Line < 0 {
				t.Errorf("%+v", finding)
			}
		}
	})
}
