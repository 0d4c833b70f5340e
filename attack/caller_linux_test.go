package attack

import (
	"regexp"
	"slices"
	"strings"
)

// open are the descriptors that a command told.
var open = regexp.MustCompile(`(?m)^fd (\d+) -> (.+)$`)

// leaked reports whether a command has other descriptors than its three.
func leaked(r result) bool {
	found := slices.DeleteFunc(open.FindAllStringSubmatch(r.out, -1), func(fd []string) bool {
		return strings.HasSuffix(fd[2], "/bin/report") // bash's own
	})
	for _, fd := range found {
		if fd[1] != "0" && fd[1] != "1" && fd[1] != "2" || strings.Contains(fd[2], "passwd") {
			return true
		}
	}
	return len(found) != 3
}

// limit is an attack by one of the caller's limits. What the command has without it is what it must have with it.
func limit(name, how, option string, told ...string) attack {
	return tells(name, how, "ulimit "+option, func(r result) bool {
		for _, row := range told {
			if regexp.MustCompile(`(?m)^limit ` + row).MatchString(r.out) {
				return true
			}
		}
		return !strings.Contains(r.out, "\narguments ")
	})
}

// signals is an attack by dispositions or a mask; grep(1) tells them, since bash has some of its own.
func signals(name, how, caller string) attack {
	return attack{name, how, 4, &ask{rules: "grep: CommandFilter, grep, root\n", oslo: true, sudo: "/usr/bin/grep Sig /proc/self/status", doas: "/usr/bin/grep args Sig /proc/self/status",
		harmless: []string{"grep", "Sig", "/proc/self/status"}, caller: caller, bad: func(r result) bool {
			return !hasLine(r.out, "SigIgn:\t0000000000000000") || !hasLine(r.out, "SigBlk:\t0000000000000000")
		}}, nil}
}

var callerAttacks = []attack{
	tells("descriptor-file", "an open file as descriptor 7", "exec 7</etc/passwd", leaked),
	tells("descriptor-folder", "an open folder as descriptor 9 (CVE-2024-21626)", "exec 9</", leaked),
	tells("descriptor-socket", "a socket as descriptor 5", `exec perl -MSocket -e '$^F = 9; socketpair(A, B, AF_UNIX, SOCK_STREAM, 0); exec @ARGV' "$@"`, leaked),
	tells("descriptors-1000", "1,000 descriptors", `exec perl -e '$^F = 2000; open($f[$_], "<", "/etc/passwd") for 1..1000; exec @ARGV' "$@"`, leaked),
	tells("descriptors-closed", "standard error closed, so that the next file would be it", "exec 2>&-", leaked),
	tells("folder", "a working folder of the caller's", "cd @E@", hasNot("cwd /")),
	tells("folder-gone", "a working folder that has been removed", "mkdir @E@/gone; cd @E@/gone; rmdir @E@/gone", hasNot("cwd /")),
	tells("umask-0", "umask 0, for files that anybody may write", "umask 0", hasNot("Umask:\t0022")),
	tells("umask-777", "umask 777, for files that a service cannot read", "umask 777", hasNot("Umask:\t0022")),
	signals("signals-ignored", "every signal ignored", `trap "" HUP INT QUIT TERM USR1 USR2 PIPE ALRM CHLD TSTP`),
	signals("signals-blocked", "every signal blocked", `exec env --block-signal "$@"`),
	{"alarm", "a timer of the caller's that ends the command after a while", 4, &ask{rules: "sleep: CommandFilter, sleep, root\n", oslo: true, sudo: "/usr/bin/sleep *", doas: "/usr/bin/sleep",
		harmless: []string{"sleep", "1.1"}, caller: `exec perl -e 'alarm 1; exec @ARGV' "$@"`, bad: func(r result) bool { return r.code != 0 }}, nil},
	limit("limit-files", "4 descriptors", "-n 4", `Max open files +4 `),
	limit("limit-file-size", "files of 0 bytes: what root writes is cut (RLIMIT_FSIZE)", "-f 0", `Max file size +0 `),
	limit("limit-file-size-soft", "the same by the soft limit alone", "-S -f 0", `Max file size +0 `),
	limit("limit-memory", "an address space of 64 MiB", "-S -v 65536", `Max address space +67108864 `),
	limit("limit-stack", "a stack of 64 KiB", "-S -s 64", `Max stack size +65536 `),
	limit("limit-processor", "one second of processor", "-S -t 1", `Max cpu time +1 `),
	limit("limit-processes", "no process more", "-S -p 1", `Max processes +1 `),
	limit("limit-core", "core files without end, with root's memory in them", "-c unlimited", `Max core file size +unlimited `),
	{"client-two-names", "a rule for one user, SUDO_UID of that one, and DOAS_USER of another: a launcher that keeps its caller's environment", 1, nil, clientOfTwoNames},
}

// clientOfTwoNames: sudo and doas each say who calls, by a variable that the other hands on where it is told to keep the
// caller's (doas: keepenv; sudo: SETENV). Only one of the two can have been written by root.
func clientOfTwoNames(w *world) {
	w.policy("", "tool: CommandFilter, tool, root\n[tool]\nclients=daemon\n")
	w.program("@W@/bin/tool")
	for caller, want := range map[string]bool{
		"export SUDO_UID=1":                      true,
		"export DOAS_USER=daemon":                true,
		"export SUDO_UID=1 DOAS_USER=nobody":     false,
		"export SUDO_UID=65534 DOAS_USER=daemon": false,
		"export SUDO_UID=-1 DOAS_USER=":          false,
		"export SUDO_UID=4294967297":             false,
		"export SUDO_UID=' 1'":                   false,
	} {
		before := w.decisions()
		r := takeRun(w, caller, []string{"tool"})
		if r.ran != want || (r.canary != "") != want {
			w.t.Errorf("%s: %v", caller, r)
		}
		if n := w.decisions() - before; n != 1 {
			w.t.Errorf("%s: %d lines", caller, n)
		}
	}
}
