package attack

import (
	"os"
	"os/exec"
	"strings"
)

// mounted has a caller mount an empty file system with options at @W@/mnt, in a mount namespace of its own, and put a copy of a
// program on it.
func mounted(options, program string) string {
	return `exec unshare --mount --propagation private sh -c 'mount -t tmpfs -o mode=755,` + options + ` none @W@/mnt && cp --preserve=mode ` + program + ` @W@/mnt/tool && exec "$@"' sh "$@"`
}

// placed makes the program that is there where nothing is mounted.
func placed(program string) func(*world) {
	return func(w *world) {
		w.must(os.Mkdir(w.text("@W@/mnt"), 0o755))
		w.program("@W@/bin/tool")
		w.must(copyFile(w.text("@W@/bin/setuid"), "/usr/bin/id"))
		mode("@W@/bin/setuid", 0o755|os.ModeSetuid)(w)
		w.must(exec.Command("cp", "--preserve=mode", w.text(program), w.text("@W@/mnt/tool")).Run())
	}
}

// gained reports whether id(1) told of another user than nobody.
func gained(r result) bool { return !strings.HasPrefix(r.out, "65534\n") }

var mountAttacks = []attack{
	{"noexec", "a program on a file system that is mounted noexec", 5, &ask{rules: "tool: CommandFilter, @W@/mnt/tool, root\n", oslo: true, sudo: "@W@/mnt/tool", doas: "@W@/mnt/tool", files: placed("@W@/bin/tool"),
		harmless: []string{"@W@/mnt/tool"}, caller: mounted("noexec", "@W@/bin/tool")}, nil},
	{"nosuid", "a setuid program of root's, on a file system that is mounted nosuid, by a rule of nobody's", 2, &ask{rules: "tool: RegExpFilter, @W@/mnt/tool, nobody, .*/tool, -u\n", oslo: true, sudo: "@W@/mnt/tool -u", doas: "@W@/mnt/tool args -u", as: "nobody",
		files: placed("/usr/bin/id"), harmless: []string{"@W@/mnt/tool", "-u"}, caller: mounted("nosuid", "@W@/bin/setuid"), bad: gained}, nil},
	{"setuid-no-new-privs", "a setuid program of root's, by a rule of nobody's with no_new_privs", 2, nil, func(w *world) {
		w.policy("", "plain: RegExpFilter, @W@/bin/setuid, nobody, .*/setuid, -u\nnarrow: CommandFilter, @W@/bin/setuid, nobody\n[narrow]\nno_new_privs=yes\n")
		placed("@W@/bin/tool")(w)
		for _, road := range roads {
			if r := road.take(w, "", w.texts([]string{"@W@/bin/setuid", "-u"})); r.out != "0\n" {
				w.t.Fatalf("%s: without it the setuid bit must count, or this test sees nothing: %v", road.name, r)
			}
			if r := road.take(w, "", w.texts([]string{"@W@/bin/setuid", "-u", "-r"})); !r.ran || gained(r) {
				w.t.Errorf("%s: the real user: %v", road.name, r)
			}
			if r := road.take(w, "", w.texts([]string{"@W@/bin/setuid", "--user"})); !r.ran || gained(r) {
				w.t.Errorf("%s: came through: %v", road.name, r)
			}
		}
		if n := w.decisions(); n != 3*len(roads) {
			w.t.Errorf("%d lines in the log", n)
		}
	}},
}
