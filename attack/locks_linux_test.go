package attack

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/privhelper/privhelper/internal/testenv"
)

const lockRules = "tool: CommandFilter, tool, root\n[tool]\nlock=one\n"

// lockFile is an attack on the file of a lock, by who may write its folder: root opens it, and must do nothing else to it.
func lockFile(name, how string, make func(w *world, path string) error) attack {
	return attack{name, how, 6, nil, func(w *world) {
		w.policy("lock_path=@E@/locks\nlock_path_shared=yes\n", lockRules)
		w.program("@W@/bin/tool")
		w.file("@W@/secret", "secret\n")
		w.must(os.Mkdir(w.text("@E@/locks"), 0o777))
		owner("@E@/locks", testenv.Nobody, testenv.Nobody)(w)
		for _, road := range roads {
			if r := road.take(w, "", []string{"tool"}); !r.ran {
				w.t.Fatalf("%s: the harmless twin: %v", road.name, r)
			}
		}
		c, err := w.start(w.t.Context(), "") // it has opened its locks' folder before
		w.must(err)
		defer c.Close()
		instead("@E@/locks/one", make)(w)
		before := w.decisions()
		if r := askClient(w.t.Context(), w, c, []string{"tool"}); r.ran || r.errors == "" || w.decisions() != before+1 {
			w.t.Errorf("a daemon from before: %d lines, %v", w.decisions()-before, r)
		}
		for _, road := range roads {
			if r := road.take(w, "", []string{"tool"}); r.ran || r.errors == "" {
				w.t.Errorf("%s: came through: %v", road.name, r)
			}
		}
		if text := w.read(w.text("@W@/secret")); text != "secret\n" {
			w.t.Errorf("root's file is %q now", text)
		}
		if _, err := os.Lstat(w.text("@W@/new")); err == nil {
			w.t.Error("root made a file where the link led")
		}
	}}
}

var lockAttacks = []attack{
	lockFile("link", "a link to root's file", func(w *world, path string) error { return os.Symlink(w.text("@W@/secret"), path) }),
	lockFile("link-to-nothing", "a link to where root would make a file", func(w *world, path string) error { return os.Symlink(w.text("@W@/new"), path) }),
	lockFile("fifo", "a FIFO, whose opening would wait", fifo),
	lockFile("device", "a device", zero),
	lockFile("folder", "a folder", dir),
	lockFile("socket", "a socket", func(_ *world, path string) error { return syscall.Mknod(path, syscall.S_IFSOCK|0o666, 0) }),
	{"hard-link", "a hard link to root's file: it may be locked, and never be written, cut, chowned or chmodded", 6, nil, func(w *world) {
		w.policy("lock_path=@E@/locks\nlock_path_shared=yes\n", lockRules)
		w.program("@W@/bin/tool")
		w.must(os.Mkdir(w.text("@E@/locks"), 0o777))
		w.file("@W@/secret", "secret\n")
		w.must(os.Link(w.text("@W@/secret"), w.text("@E@/locks/one")))
		before, err := os.Lstat(w.text("@W@/secret"))
		w.must(err)
		for _, road := range roads {
			road.take(w, "", []string{"tool"})
		}
		after, err := os.Lstat(w.text("@W@/secret"))
		w.must(err)
		if was, is := before.Sys().(*syscall.Stat_t), after.Sys().(*syscall.Stat_t); is.Mode != was.Mode || is.Uid != was.Uid || is.Size != was.Size || is.Mtim != was.Mtim {
			w.t.Errorf("it was %+v and is %+v", was, is)
		}
	}},
	config("lock-folder-of-others", "a lock_path that others may write, without lock_path_shared", "@E@", func(w *world) {
		w.file(theConfig, "[DEFAULT]\nfilters_path=@W@/f.d\naudit_file=@W@/audit.log\nlock_path=@E@\n")
		w.file(thePolicy, "[Filters]\n"+lockRules)
	}),
	{"lock-folder-link", "a shared lock_path that becomes a link to a folder of root's", 6, nil, func(w *world) {
		w.policy("lock_path=@E@/locks\nlock_path_shared=yes\n", lockRules)
		w.program("@W@/bin/tool")
		w.must(os.Mkdir(w.text("@W@/roots"), 0o755))
		w.must(os.Symlink(w.text("@W@/roots"), w.text("@E@/locks")))
		for _, road := range roads {
			road.take(w, "", []string{"tool"})
		}
		if made, err := os.ReadDir(w.text("@W@/roots")); err != nil || len(made) > 0 {
			w.t.Errorf("root made %v in a folder of its own, %v", made, err)
		}
	}},
	{"held-for-ever", "a lock of policy's that a user holds for ever: the caller's deadline ends the wait, and others go on", 3, nil, func(w *world) {
		w.policy("lock_path=@E@/locks\nlock_path_shared=yes\n", "true: CommandFilter, true, root\n"+lockRules)
		w.program("@W@/bin/tool")
		w.must(os.Mkdir(w.text("@E@/locks"), 0o777))
		mode("@E@/locks", 0o777)(w)
		c, err := w.start(w.t.Context(), "")
		w.must(err)
		defer c.Close()
		holder := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "flock", w.text("@E@/locks/one"), "sh", "-c", "echo held; exec sleep 1000")
		holder.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		held, err := holder.StdoutPipe()
		w.must(err)
		w.must(holder.Start())
		defer func() { _ = syscall.Kill(-holder.Process.Pid, syscall.SIGKILL); _ = holder.Wait() }()
		if _, err := held.Read(make([]byte, 5)); err != nil {
			w.t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(w.t.Context(), 300*time.Millisecond)
		defer cancel()
		err = c.CommandContext(ctx, "tool").Run()
		if ctx.Err() == nil || err == nil || w.sang() != "" {
			w.t.Errorf("the command: %v", err)
		}
		if r := askClient(w.t.Context(), w, c, []string{"true"}); !r.ran {
			w.t.Errorf("the same helper: %v", r)
		}
		if n := w.decisions(); n != 2 {
			w.t.Errorf("%d lines in the log", n)
		}
	}},
	{"held-by-caller", "a lock that the caller itself holds: refused at once", 3, nil, func(w *world) {
		w.policy("lock_path=@W@/locks\n", lockRules)
		w.program("@W@/bin/tool")
		if r := takeRun(w, "", []string{"tool"}); !r.ran {
			w.t.Fatalf("the harmless twin: %v", r)
		}
		if r := takeRun(w, w.text(`exec flock @W@/locks/one "$@"`), []string{"tool"}); r.ran || !strings.Contains(r.errors, "holds it") {
			w.t.Errorf("%v", r)
		}
		if n := w.decisions(); n != 2 {
			w.t.Errorf("%d lines in the log", n)
		}
	}},
	{"name-leads-out", "a lock's name with folders in it", 8, nil, func(w *world) {
		w.policy("lock_path=@W@/locks\n", "tool: CommandFilter, tool, root\n[tool]\nlock=../../one\n")
		w.program("@W@/bin/tool")
		for _, road := range roads {
			road.take(w, "", []string{"tool"})
		}
		if _, err := os.Lstat(filepath.Join(filepath.Dir(w.dir), "one")); err == nil {
			w.t.Error("a lock file was made outside")
		}
	}},
}
