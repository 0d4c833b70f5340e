package attack

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// tools puts programs that sing where rules and attackers look for them.
func tools(paths ...string) func(*world) {
	return func(w *world) {
		for _, path := range paths {
			w.program(path)
		}
	}
}

// pathFiles is what stands around a rule for what lies below @W@/images.
func pathFiles(w *world) {
	w.program("@W@/bin/show")
	for _, dir := range []string{"images", "images/sub", "images-evil"} {
		w.must(os.Mkdir(filepath.Join(w.dir, dir), 0o755))
	}
	w.file("@W@/images/one", "")
	w.file("@W@/images-evil/one", "")
	w.file("@W@/secret", "")
	w.must(os.Symlink(w.text("@W@/secret"), w.text("@W@/images/out")))
	w.must(os.Symlink(w.dir, w.text("@W@/images/up")))
}

// path is an attack on a PathFilter and on ArgvFilter's <path:> at once.
func path(name, how, hostile string) attack {
	return attack{name, how, 5, &ask{
		rules: "show: PathFilter, show, root, @W@/images\nargv: ArgvFilter, show, root, of=<path:@W@/images>\n", oslo: true, sudo: "@W@/bin/show @W@/images/*", files: pathFiles, harmless: []string{"show", "@W@/images/one"}, hostile: []string{"show", hostile}}, nil}
}

func ip(name, how string, hostile ...string) attack {
	return attack{name, how, 1, &ask{rules: "ip: IpFilter, ip, root\nexec: IpNetnsExecFilter, ip, root\ntool: CommandFilter, tool, root\n", oslo: true, sudo: "@W@/bin/ip, !@W@/bin/ip netns exec *",
		files: tools("@W@/bin/ip", "@W@/bin/tool", "@E@/tool"), harmless: []string{"ip", "-n", "qdhcp-1", "link", "show"}, hostile: append([]string{"ip"}, hostile...)}, nil}
}

func pattern(name, how, text, harmless, hostile string) attack {
	return attack{name, how, 1, &ask{rules: "tool: RegExpFilter, tool, root, tool, " + text + "\n", oslo: true, sudo: "@W@/bin/tool foo, @W@/bin/tool bar", doas: "@W@/bin/tool args foo\n@W@/bin/tool args bar",
		files: tools("@W@/bin/tool"), harmless: []string{"tool", harmless}, hostile: []string{"tool", hostile}}, nil}
}

// niceTool is what sudoers have of chain.
const niceTool = "/usr/bin/nice -n * tool"

const chain = "nice: ChainingRegExpFilter, nice, root, nice, -n, -?\\d+\ntool: CommandFilter, tool, root\n"

var filterAttacks = []attack{
	{"default-is-no", "a program that no rule names", 1, &ask{rules: "tool: CommandFilter, tool, root\n", oslo: true, sudo: "@W@/bin/tool", doas: "@W@/bin/tool",
		files: tools("@W@/bin/tool", "@W@/bin/other"), harmless: []string{"tool"}, hostile: []string{"other"}}, nil},
	{"builtin-privsep-helper", "privsep-helper, for which there is no rule", 1, &ask{rules: "tool: CommandFilter, tool, root\n", oslo: true, sudo: "@W@/bin/tool", doas: "@W@/bin/tool",
		files: tools("@W@/bin/tool", "@W@/bin/privsep-helper"), harmless: []string{"tool"}, hostile: []string{"privsep-helper", "--config-file", "@E@/x"}}, nil},
	{"chain-basename", "nice -n 5 /EVIL/tool, where the inner rule is for tool", 5, &ask{rules: chain, oslo: true, sudo: niceTool,
		files: tools("@W@/bin/tool", "@E@/tool"), harmless: []string{"nice", "-n", "5", "tool"}, hostile: []string{"nice", "-n", "5", "@E@/tool"}}, nil},
	{"chain-inner-user", "a chain of root's before a rule of nobody's", 1, &ask{rules: chain + "as-nobody: CommandFilter, other, nobody\n", oslo: true, sudo: niceTool,
		files: tools("@W@/bin/tool", "@W@/bin/other"), harmless: []string{"nice", "-n", "5", "tool"}, hostile: []string{"nice", "-n", "5", "other"}}, nil},
	{"chain-more-words", "nice -n 5 /EVIL/tool tool, as * in a pattern lets through", 5, &ask{rules: chain, oslo: true, sudo: niceTool,
		files: tools("@W@/bin/tool", "@E@/tool"), harmless: []string{"nice", "-n", "5", "tool"}, hostile: []string{"nice", "-n", "5", "@E@/tool", "tool"}}, nil},
	{"chain-of-nothing", "a chain with no command behind it", 1, &ask{rules: chain, sudo: niceTool, files: tools("@W@/bin/tool"),
		harmless: []string{"nice", "-n", "5", "tool"}, hostile: []string{"nice", "-n", "5"}}, nil},
	ip("ip-netns-exec-behind-n", "ip -n X netns exec", "-n", "X", "netns", "exec", "ns", "sh"),
	ip("ip-netns-exec-all", "ip -all netns exec", "-all", "netns", "exec", "sh"),
	ip("ip-netns-exec-short", "ip netns e", "netns", "e", "ns", "sh"),
	ip("ip-vrf-exec", "ip vrf exec", "vrf", "exec", "x", "sh"),
	ip("ip-batch", "ip -b FILE", "-b", "@E@/batch"),
	ip("ip-force-batch", "ip -force -batch FILE", "-force", "-batch", "@E@/batch"),
	ip("ip-bpf-object", "ip link set … xdp obj FILE", "link", "set", "dev", "e", "xdp", "obj", "@E@/x.o"),
	ip("ip-namespace-path", "ip -n ../../…, which mounts what it finds there", "-n", "../../tmp/x", "link"),
	ip("ip-inner-path", "ip netns exec NS /EVIL/tool", "netns", "exec", "ns", "@E@/tool"),
	path("path-sibling", "/images-evil where /images is allowed", "@W@/images-evil/one"),
	path("path-dots", "/images/../secret", "@W@/images/../secret"),
	path("path-slashes", "//images//..//secret", "/@W@//images//..//secret"),
	path("path-link", "a link in /images that leads out", "@W@/images/out"),
	path("path-link-folder", "a link to a folder above, and further", "@W@/images/up/secret"),
	path("path-proc-root", "/proc/self/root in front of another path", "/proc/self/root/@W@/secret"),
	path("path-proc-cwd", "/proc/self/cwd in front", "/proc/self/cwd/etc/shadow"),
	path("path-option", "the hole behind of= left, and dots in it", "of=@W@/images/../secret"),
	path("path-relative", "a path that is relative", "images/one"),
	pattern("regexp-alternative", "foo|bar: the first alternative is not anchored by oslo", "foo|bar", "foo", "foo-and-more"),
	pattern("regexp-newline", "a final newline", "foo", "foo", "foo\n"),
	pattern("regexp-lines", "a second line, with (?m)", "(?m)foo", "foo", "foo\n--output=/etc/passwd"),
	pattern("regexp-prefix", "text in front", "foo", "foo", "-x foo"),
	{"regexp-more-arguments", "one argument more than there are patterns", 1, &ask{rules: "tool: RegExpFilter, tool, root, tool, a\n", oslo: true, sudo: "@W@/bin/tool a", doas: "@W@/bin/tool args a",
		files: tools("@W@/bin/tool"), harmless: []string{"tool", "a"}, hostile: []string{"tool", "a", "b"}}, nil},
	{"argv-option", "an option for <name>", 1, &ask{rules: "tool: ArgvFilter, tool, root, show, <name>\n", sudo: "@W@/bin/tool show *", files: tools("@W@/bin/tool"), harmless: []string{"tool", "show", "a"}, hostile: []string{"tool", "show", "--output=x"}}, nil},
	{"argv-two-in-one", "two arguments in one, with a blank", 1, &ask{rules: "tool: ArgvFilter, tool, root, show, <ifname>\n", sudo: "@W@/bin/tool show *", files: tools("@W@/bin/tool"), harmless: []string{"tool", "show", "a"}, hostile: []string{"tool", "show a"}}, nil},
	{"argv-integer", "2^64 and a sign for <int:0-10>", 1, &ask{rules: "tool: ArgvFilter, tool, root, <int:0-10>\n", sudo: "@W@/bin/tool [0-9], @W@/bin/tool 10", files: tools("@W@/bin/tool"),
		harmless: []string{"tool", "10"}, hostile: []string{"tool", "18446744073709551617"}}, nil},
	{"program-of-that-name", "a program of the same name in another folder", 5, &ask{rules: "tool: CommandFilter, tool, root\n", oslo: true, sudo: "@W@/bin/tool", doas: "@W@/bin/tool",
		files: tools("@W@/bin/tool", "@E@/tool"), harmless: []string{"tool"}, hostile: []string{"@E@/tool"}}, nil},
	{"program-relative", "./tool, in a folder of the caller's", 5, &ask{rules: "tool: CommandFilter, tool, root\n", oslo: true, sudo: "@W@/bin/tool", doas: "@W@/bin/tool",
		files: tools("@W@/bin/tool", "@E@/tool"), harmless: []string{"tool"}, caller: "cd @E@", hostile: []string{"./tool"}}, nil},
	{"environment-value", "env A=other, where the rule says A=one", 1, &ask{rules: "tool: EnvFilter, env, root, A=one, B=, tool\n", oslo: true, sudo: `/usr/bin/env A\=one B\=* tool`,
		files: tools("@W@/bin/tool"), harmless: []string{"env", "A=one", "B=x", "tool"}, hostile: []string{"env", "A=two", "B=x", "tool"}}, nil},
	{"environment-loader", "env with LD_PRELOAD in it", 4, &ask{rules: "tool: EnvFilter, env, root, B=, tool\n", oslo: true, sudo: `/usr/bin/env B\=* tool`,
		files: tools("@W@/bin/tool"), harmless: []string{"env", "B=x", "tool"}, hostile: []string{"env", "LD_PRELOAD=@E@/x.so", "B=x", "tool"}}, nil},
	{"environment-function", "a function for bash in an allowed variable", 4, &ask{rules: "tool: EnvFilter, env, root, B=, tool\n", oslo: true, sudo: `/usr/bin/env B\=* tool`,
		files: tools("@W@/bin/tool"), harmless: []string{"env", "B=x", "tool"}, hostile: []string{"env", "B=() { :; }; touch @C@", "tool"}}, nil},
	{"user-and-groups", "a rule of nobody's, started by root with groups", 2, &ask{rules: "report: CommandFilter, report, nobody\ntrue: CommandFilter, true, nobody\n", oslo: true, sudo: "@B@/report, /usr/bin/true", doas: "@B@/report\n/usr/bin/true", as: "nobody",
		harmless: []string{"true"}, caller: `exec setpriv --groups 0,4,6 "$@"`, hostile: []string{"report"}, bad: func(r result) bool {
			return r.out != "" && (!hasLine(r.out, "Uid:\t65534\t65534\t65534\t65534") || !hasLine(r.out, "Gid:\t65534\t65534\t65534\t65534") || !hasLine(r.out, "Groups:\t65534 "))
		}}, nil},
	{"inheritable-capabilities", "a caller whose capabilities are inheritable and ambient", 2, &ask{rules: "report: CommandFilter, report, root\n", options: "capabilities=CAP_NET_ADMIN\n",
		harmless: []string{"report"}, caller: `exec setpriv --inh-caps=+chown,+kill --ambient-caps=+chown,+kill "$@"`, bad: capabilitiesAre("0000000000001000")}, nil},
	{"kept-capabilities", "securebits that keep root's capabilities through a change of user", 2, &ask{rules: "report: CommandFilter, report, nobody\n", oslo: true,
		harmless: []string{"report"}, caller: `exec setpriv --securebits=+no_setuid_fixup "$@"`, bad: capabilitiesAre("0000000000000000")}, nil},
	{"capabilities-by-user-namespace", "a rule without capabilities makes a user namespace of its own", 2, &ask{
		rules: "bare: CommandFilter, report, nobody\n[bare]\nno_new_privs=yes\n", harmless: []string{"report"}, bad: capabilitiesAre("0000000000000000")}, nil},
	{"kill-plus", "kill -9 +PID", 1, nil, kill(func(pid int) string { return "+" + strconv.Itoa(pid) })},
	{"kill-blank", "kill -9 ' PID'", 1, nil, kill(func(pid int) string { return " " + strconv.Itoa(pid) })},
	{"kill-group", "kill -9 -PID, the process group", 1, nil, kill(func(pid int) string { return "-" + strconv.Itoa(pid) })},
	{"kill-everybody", "kill -9 -1", 1, nil, kill(func(int) string { return "-1" })},
	{"kill-two", "kill -9 PID PID", 1, nil, kill(func(pid int) string { return strconv.Itoa(pid) }, "1")},
	{"kill-other", "kill -9 of a process that runs another program", 5, nil, kill(func(int) string { return strconv.Itoa(os.Getpid()) })},
	{"kill-renamed", "another program renamed to what a rule allows to kill, after it began", 5, nil, killRenamed},
}

// hasLine reports whether a text has exactly this line.
func hasLine(text, line string) bool { return strings.Contains("\n"+text, "\n"+line+"\n") }

// capabilitiesAre reports, for a command that ran, whether it held others.
func capabilitiesAre(mask string) func(result) bool {
	return func(r result) bool {
		return !hasLine(r.out, "CapPrm:\t"+mask) || !hasLine(r.out, "CapEff:\t"+mask) ||
			!hasLine(r.out, "CapInh:\t0000000000000000") || !hasLine(r.out, "CapAmb:\t0000000000000000")
	}
}

// kill is an attack on a KillFilter: the process of the rule is there, and must be there afterwards.
func kill(word func(pid int) string, more ...string) func(*world) {
	return func(w *world) {
		w.must(copyFile(w.text("@W@/bin/victim"), "/bin/sleep"))
		w.policy("", "kill: KillFilter, root, @W@/bin/victim, -9\n")
		for _, road := range roads {
			victim := exec.Command(w.text("@W@/bin/victim"), "1000")
			w.must(victim.Start())
			words := append([]string{"kill", "-9", word(victim.Process.Pid)}, more...)
			if r := road.take(w, "", words); r.code != 99 {
				w.t.Errorf("%s: %q came through: %v", road.name, words, r)
			}
			// The harmless twin: it is alive, and the rule is one that allows to kill it.
			if r := road.take(w, "", []string{"kill", "-9", strconv.Itoa(victim.Process.Pid)}); r.code != 0 {
				w.t.Errorf("%s: %v", road.name, r)
				_ = victim.Process.Kill()
			}
			if err := victim.Wait(); err == nil || err.Error() != "signal: killed" {
				w.t.Errorf("%s: the victim: %v", road.name, err)
			}
		}
		if n := w.decisions(); n != 2*len(roads) {
			w.t.Errorf("%d lines in the log", n)
		}
	}
}

// killRenamed gives somebody else's process a link in /proc that reads as the rule's program does.
func killRenamed(w *world) {
	w.policy("", "kill: KillFilter, root, @E@/dnsmasq, -9\n")
	other := filepath.Join(w.evil, "other")
	w.must(copyFile(other, "/bin/sleep"))
	victim := exec.Command(other, "1000")
	w.must(victim.Start())
	defer func() { _ = victim.Process.Kill(); _ = victim.Wait() }()
	w.must(os.Rename(other, filepath.Join(w.evil, "was")))
	w.must(copyFile(filepath.Join(w.evil, "dnsmasq"), "/bin/sleep"))
	for _, road := range roads {
		if r := road.take(w, "", []string{"kill", "-9", strconv.Itoa(victim.Process.Pid)}); r.code != 99 {
			w.t.Errorf("%s: came through: %v", road.name, r)
		}
	}
	if err := victim.Process.Signal(syscall.Signal(0)); err != nil {
		w.t.Errorf("it is gone: %v", err)
	}
	if n := w.decisions(); n != len(roads) {
		w.t.Errorf("%d lines in the log", n)
	}
}
