package attack

import (
	"os"
	"strconv"
	"strings"
)

// alike is an attack by questions: of a pair of requests the one asks for what is there and the other for what is not, where
// the caller cannot see. Both must be refused in the same words, but for the caller's own, and without the policy's place.
func alike(name, how, rules string, there, missing []string) attack {
	return attack{name, how, 10, nil, func(w *world) {
		w.policy("", rules)
		w.must(os.Mkdir(w.text("@W@/hidden"), 0o700))
		w.file("@W@/hidden/there", "secret")
		mode("@W@/hidden/there", 0o700)(w)
		w.must(os.Symlink(w.text("@W@/hidden/there"), w.text("@E@/link-to-there")))
		w.must(os.Symlink(w.text("@W@/hidden/missing"), w.text("@E@/link-to-missing")))
		for _, road := range roads {
			var said [2]string
			for i, argv := range [][]string{there, missing} {
				r := road.take(w, "export SUDO_UID=65534", w.texts(argv))
				if r.ran || r.errors == "" {
					w.t.Fatalf("%s: %q: %v", road.name, argv, r)
				}
				if strings.Contains(r.errors, "one.filters") || strings.Contains(r.errors, "privhelper.conf") {
					w.t.Errorf("%s: the refusal says where policy is: %s", road.name, r.errors)
				}
				said[i] = strings.NewReplacer(w.text(argv[len(argv)-1]), "ARGUMENT", "there", "X", "missing", "X").Replace(r.errors)
			}
			if said[0] != said[1] {
				w.t.Errorf("%s: the refusals differ:\n%s\n%s", road.name, said[0], said[1])
			}
		}
		if n := w.decisions(); n != 2*len(roads) {
			w.t.Errorf("%d lines in the log", n)
		}
	}}
}

var errorAttacks = []attack{
	alike("path-outside", "a path in a folder that only root may enter", "wc: PathFilter, wc, root, @E@\n", []string{"wc", "@W@/hidden/there"}, []string{"wc", "@W@/hidden/missing"}),
	alike("path-up", "the same by ..", "wc: PathFilter, wc, root, @E@\n", []string{"wc", "@E@/../hidden/there"}, []string{"wc", "@E@/../hidden/missing"}),
	alike("path-link", "a link of the caller's to there", "wc: PathFilter, wc, root, @E@\n", []string{"wc", "@E@/link-to-there"}, []string{"wc", "@E@/link-to-missing"}),
	alike("argv-path-link", "the same to an ArgvFilter", "wc: ArgvFilter, wc, root, <path:@E@>\n", []string{"wc", "@E@/link-to-there"}, []string{"wc", "@E@/link-to-missing"}),
	alike("argv-held-link", "the same where the file is held open", "wc: ArgvFilter, wc, root, <path:@E@,fd>\n", []string{"wc", "@E@/link-to-there"}, []string{"wc", "@E@/link-to-missing"}),
	alike("process", "whether there is a process", "kill: KillFilter, root, /usr/bin/no-such-program, -9\n", []string{"kill", "-9", strconv.Itoa(os.Getpid())}, []string{"kill", "-9", "4194303"}),
	alike("program", "whether there is a program", "none: CommandFilter, /usr/bin/no-such-program, root\n", []string{"@W@/hidden/there"}, []string{"@W@/hidden/missing"}),
}
