package attack

import (
	"slices"
	"strings"
	"syscall"
)

// argument is a request with arguments that a command may have, and that must do nothing but reach it.
func arguments(name, how string, promise int, args ...string) attack {
	return attack{name, how, promise, nil, func(w *world) {
		w.policy("", "printf: CommandFilter, printf, root\nreport: CommandFilter, report, root\n")
		for _, road := range roads {
			before := w.decisions()
			r := road.take(w, "", append([]string{"printf", "%s\\n"}, args...))
			if want := strings.Join(args, "\n") + "\n"; r.ran && r.out != want {
				w.t.Errorf("%s: %d bytes reached the command, want %d", road.name, len(r.out), len(want))
			} else if !r.ran && r.errors == "" {
				w.t.Errorf("%s: neither ran nor said why: %v", road.name, r)
			}
			if n := w.decisions() - before; n != 1 && (r.ran || n != 0) {
				w.t.Errorf("%s: %d lines in the log", road.name, n)
			}
			if r = road.take(w, "", []string{"report", "x"}); !r.ran || !hasLine(r.out, "arguments 1") {
				w.t.Errorf("%s: afterwards: %v", road.name, r)
			}
		}
	}}
}

func everyByte() string {
	var b []byte
	for i := 1; i < 256; i++ {
		b = append(b, byte(i))
	}
	return string(b)
}

var argumentAttacks = []attack{
	{"none", "argc 0, to the binary itself (CVE-2021-4034)", 1, nil, func(w *world) {
		w.policy("", "tool: CommandFilter, tool, root\n")
		for _, mode := range [][]string{nil, {""}, {"", "run"}} {
			pid, err := syscall.ForkExec(bin("privhelper"), mode, &syscall.ProcAttr{Files: []uintptr{0}})
			w.must(err)
			var status syscall.WaitStatus
			_, err = syscall.Wait4(pid, &status, 0, nil)
			w.must(err)
			if code := status.ExitStatus(); code != 98 || w.sang() != "" {
				w.t.Errorf("%q: exit code %d", mode, code)
			}
		}
	}},
	{"empty-request", "a request of no words at all", 1, nil, func(w *world) {
		w.policy("", "tool: CommandFilter, tool, root\n")
		w.program("@W@/bin/tool")
		for _, argv := range [][]string{{}, {""}} {
			for _, road := range roads {
				if r := road.take(w, "", argv); r.ran || r.canary != "" {
					w.t.Errorf("%s: %q came through: %v", road.name, argv, r)
				}
			}
		}
	}},
	{"empty-name", "a pattern that matches the empty name, and an empty name", 1, &ask{rules: "tool: RegExpFilter, tool, root, (tool)?\n", files: tools("@W@/bin/tool"),
		harmless: []string{"tool"}, hostile: []string{"", ""}}, nil},
	arguments("every-byte", "an argument of all bytes but NUL", 7, everyByte()),
	arguments("log-line", "an argument with a line of the audit log in it (CVE-2023-28486)", 7, "x\n{\"time\":\"2026-01-01T00:00:00Z\",\"decision\":\"match\"}\n", "\x1b]0;x\x07\r\x1b[2K", "\u202e\u0085\u2028"),
	arguments("broken-utf8", "bytes that are no UTF-8, and a lone surrogate", 7, "\xff\xfe\xed\xa0\x80\xc0\xaf", "\xf4\x90\x80\x80"),
	arguments("one-of-100-kib", "an argument of 100 KiB", 7, strings.Repeat("\x1b", 100<<10)),
	arguments("100000", "100,000 arguments", 3, slices.Repeat([]string{"x"}, 100_000)...),
	arguments("100000-empty", "100,000 empty arguments", 3, slices.Repeat([]string{""}, 100_000)...),
	{"one-of-1-mib", "an argument of 1 MiB, which no frame can carry and no kernel executes", 3, nil, func(w *world) {
		w.policy("", "true: CommandFilter, true, root\n")
		c, err := w.start(w.t.Context(), "")
		w.must(err)
		defer c.Close()
		for _, n := range []int{128 << 10, 1<<20 - 100, 1 << 20, 2 << 20} {
			if r := askClient(w.t.Context(), w, c, []string{"true", strings.Repeat("x", n)}); r.ran {
				w.t.Errorf("%d bytes: %v", n, r)
			}
		}
		if r := askClient(w.t.Context(), w, c, []string{"true"}); !r.ran || r.code != 0 {
			w.t.Errorf("afterwards: %v", r)
		}
	}},
	{"nul", "a NUL in name and argument, which C cuts there", 1, nil, func(w *world) {
		w.policy("", "tool: RegExpFilter, tool, root, tool, [\\s\\S]*\n")
		w.program("@W@/bin/tool")
		c, err := w.start(w.t.Context(), "")
		w.must(err)
		defer c.Close()
		for _, argv := range [][]string{{"tool\x00x", "a"}, {"tool", "a\x00b"}} {
			before := w.decisions()
			if r := askClient(w.t.Context(), w, c, argv); r.ran || r.canary != "" || w.decisions() != before+1 {
				w.t.Errorf("%q: %d lines, %v", argv, w.decisions()-before, r)
			}
		}
	}},
	{"options-of-run", "options of ours behind the command, and --config twice", 8, nil, func(w *world) {
		w.policy("", "tool: RegExpFilter, tool, root, tool, a\n")
		w.program("@W@/bin/tool")
		w.file("@E@/evil.conf", "[DEFAULT]\nfilters_path=@E@\n")
		w.file("@E@/evil.filters", "[Filters]\nt: CommandFilter, @W@/bin/tool, root\n")
		for _, words := range [][]string{
			{"run", "--config", w.config, "--config", w.text("@E@/evil.conf"), "--", "tool"},
			{"run", "--config=" + w.text("@E@/evil.conf"), "--", "tool"},
			{"run", "--config", w.config, "tool", "--config", w.text("@E@/evil.conf")},
			{"rootwrap", w.text("@E@/evil.conf"), "tool"},
		} {
			if r := takeCommand(w, append([]string{bin("privhelper")}, words...)); r.ran || r.canary != "" || r.errors == "" {
				w.t.Errorf("%q: %v", words, r)
			}
		}
	}},
	{"secrets", "a password in an argument, which the log must not have", 7, nil, func(w *world) {
		w.policy("", "true: CommandFilter, true, root\n")
		for _, road := range roads {
			if r := road.take(w, "", []string{"true", "--password=hunter2-" + road.name, "--os-password", "hunter3", "mysql://u:hunter4@h/"}); !r.ran {
				w.t.Errorf("%s: %v", road.name, r)
			}
		}
		if text := w.read(w.log); strings.Contains(text, "hunter") || w.decisions() != len(roads) {
			w.t.Errorf("the log:\n%s", text)
		}
	}},
}
