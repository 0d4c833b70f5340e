package attack

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
)

// swaps is how often an attacker puts a link in the place of a file, and back, while root is asked for it.
const swaps = 100_000

// program is an attack by who may write what is executed.
func program(name, how string, change func(w *world)) attack {
	return attack{name, how, 5, &ask{rules: "tool: CommandFilter, @W@/bin/tool, root\n", oslo: true, sudo: "@W@/bin/tool", doas: "@W@/bin/tool",
		files: tools("@W@/bin/tool"), harmless: []string{"@W@/bin/tool"}, change: change}, nil}
}

// swapped is an attack by rename(2): policy allows a file in a folder that the attacker may write, and while the client
// asks for it again and again, the attacker puts a link to root's secret there.
func swapped(name, how, rules string, argv ...string) attack {
	return attack{name, how, 5, nil, func(w *world) {
		w.policy("", rules)
		w.file("@W@/secret", "secret\n")
		w.file("@E@/one", "harmless\n")
		w.must(os.Symlink(w.text("@W@/secret"), w.text("@E@/two")))
		c, err := w.start(w.t.Context(), "")
		w.must(err)
		defer c.Close()
		if r := askClient(w.t.Context(), w, c, w.texts(argv)); r.out != "harmless\n" {
			w.t.Fatalf("the harmless twin: %v", r)
		}
		var done atomic.Int64
		ctx, stop := context.WithCancel(w.t.Context())
		ended := make(chan error, 1)
		go func() {
			for ctx.Err() == nil || done.Load() < swaps {
				if err := unix.Renameat2(unix.AT_FDCWD, w.text("@E@/one"), unix.AT_FDCWD, w.text("@E@/two"), unix.RENAME_EXCHANGE); err != nil {
					ended <- err
					return
				}
				done.Add(1)
			}
			ended <- nil
		}()
		asked, ran := 0, 0
		for ; done.Load() < swaps || asked < 100; asked++ {
			r := askClient(w.t.Context(), w, c, w.texts(argv))
			if strings.Contains(r.out, "secret") {
				w.t.Errorf("came through after %d renames: %v", done.Load(), r)
				break
			}
			if r.ran && r.code == 0 {
				ran++
			}
		}
		stop()
		w.must(<-ended)
		w.t.Logf("%d renames, asked %d times, ran %d", done.Load(), asked, ran)
		if n := w.decisions(); n < asked+1 {
			w.t.Errorf("%d lines for %d requests", n, asked+1)
		}
	}}
}

// strange is an attack on a rule that opens a file: there is something else, which would block, or never end.
func strange(name, how string, make func(w *world, path string) error) attack {
	return attack{name, how, 5, nil, func(w *world) {
		w.policy("", "read: ReadFileFilter, @E@/file\n")
		argv := w.texts([]string{"cat", "@E@/file"})
		w.file("@E@/file", "harmless\n")
		for _, road := range roads {
			if r := road.take(w, "", argv); r.out != "harmless\n" {
				w.t.Fatalf("%s: the harmless twin: %v", road.name, r)
			}
		}
		instead("@E@/file", make)(w)
		for _, road := range roads {
			before := w.decisions()
			if r := road.take(w, "", argv); r.ran || r.out != "" || w.decisions() != before+1 {
				w.t.Errorf("%s: came through, %d lines: %v", road.name, w.decisions()-before, r)
			}
		}
	}}
}

var fileAttacks = []attack{
	program("program-for-others", "a program that others may write", mode("@W@/bin/tool", 0o757)),
	program("program-for-group", "a program that a group may write", func(w *world) { owner("@W@/bin/tool", 0, 4)(w); mode("@W@/bin/tool", 0o775)(w) }),
	program("program-of-nobody", "a program of another owner", owner("@W@/bin/tool", testenv.Nobody, 0)),
	program("program-folder", "a program in a folder that others may write", mode("@W@/bin", 0o777)),
	program("program-link", "a program that is a link in a folder of others'", func(w *world) {
		w.program("@E@/tool")
		w.must(os.Chown(w.text("@E@/tool"), 0, 0))
		instead("@W@/bin/tool", func(w *world, path string) error { return os.Symlink(w.text("@E@/tool"), path) })(w)
	}),
	program("interpreter-for-others", "a script whose interpreter others may write", func(w *world) {
		w.must(copyFile(w.text("@E@/sh"), "/bin/sh"))
		w.must(os.Chmod(w.text("@E@/sh"), 0o777))
		w.file("@W@/bin/tool", "#!@E@/sh\necho ran >>@C@\n")
	}),
	program("interpreter-of-nobody", "a script whose interpreter is in a folder of nobody's", func(w *world) {
		w.must(copyFile(w.text("@E@/sh"), "/bin/sh"))
		w.file("@W@/bin/tool", "#!@E@/sh\necho ran >>@C@\n")
	}),
	program("program-fifo", "a program that is a FIFO", instead("@W@/bin/tool", fifo)),
	{"digest", "a program that is not the one whose digest the rule has", 5, nil, func(w *world) {
		w.must(copyFile(w.text("@W@/bin/tool"), "/bin/echo"))
		sum, err := exec.Command("sha256sum", w.text("@W@/bin/tool")).Output()
		w.must(err)
		w.policy("", "tool: CommandFilter, tool, root\n[tool]\nsha256="+string(sum[:64])+"\n")
		for _, road := range roads {
			if r := road.take(w, "", []string{"tool", "harmless"}); r.out != "harmless\n" {
				w.t.Fatalf("%s: the harmless twin: %v", road.name, r)
			}
		}
		c, err := w.start(w.t.Context(), "") // it has seen the old one
		w.must(err)
		defer c.Close()
		if r := askClient(w.t.Context(), w, c, []string{"tool", "harmless"}); r.out != "harmless\n" {
			w.t.Fatalf("the harmless twin: %v", r)
		}
		w.must(copyFile(w.text("@W@/bin/other"), "/bin/cat"))
		w.must(os.Rename(w.text("@W@/bin/other"), w.text("@W@/bin/tool")))
		before := w.decisions()
		if r := askClient(w.t.Context(), w, c, []string{"tool", w.config}); r.ran || r.out != "" {
			w.t.Errorf("a daemon from before: came through: %v\n%s", r, w.read(w.log))
		}
		for _, road := range roads {
			if r := road.take(w, "", []string{"tool", w.config}); r.ran || r.out != "" {
				w.t.Errorf("%s: came through: %v", road.name, r)
			}
		}
		if n := w.decisions() - before; n != 1+len(roads) {
			w.t.Errorf("%d lines in the log", n)
		}
	}},
	swapped("swap-path", "100,000 renames of a link and a file that <path:…,fd> allows", "cat: ArgvFilter, cat, root, <path:@E@,fd>\n", "cat", "@E@/one"),
	swapped("swap-read-file", "100,000 renames of a link and the file of a ReadFileFilter", "read: ReadFileFilter, @E@/one\n", "cat", "@E@/one"),
	strange("fifo", "a FIFO in the place of a file that root opens", fifo),
	strange("device", "/dev/zero in its place", zero),
	strange("link", "a link to root's secret in its place", func(w *world, path string) error {
		w.file("@W@/secret", "secret")
		return os.Symlink(w.text("@W@/secret"), path)
	}),
	strange("socket", "a socket in its place", func(w *world, path string) error { return syscall.Mknod(path, syscall.S_IFSOCK|0o644, 0) }),
}
