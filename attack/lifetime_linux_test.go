package attack

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/privsep/client"
)

// gone wants the end of a process within a second of begun, as promised. What has not ended is ended here.
func gone(w *world, pidfd int, begun time.Time) {
	w.t.Helper()
	left := max(0, time.Until(begun.Add(time.Second)))
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(left.Milliseconds())); n != 1 {
		w.t.Errorf("it lives on after a second: %v", err)
		w.must(unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0))
	}
}

// outlives is an attack by a command that does not want to end with its client. The script is bash's, with $1 a file to write
// the pid of what remains to, and waits in the end.
func outlives(name, how, script string, end func(w *world, c *client.Client, cmd *client.Cmd)) attack {
	return attack{name, how, 6, nil, func(w *world) {
		w.policy("semantics=strict\n", "bash: CommandFilter, bash, root\n")
		c, err := w.start(w.t.Context(), "")
		w.must(err)
		defer c.Close()
		cmd := c.Command("bash", "-c", script, "bash")
		r, out, err := os.Pipe()
		w.must(err)
		defer r.Close()
		cmd.Stdout = out
		w.must(cmd.Start())
		out.Close()
		text := make([]byte, 20)
		n, err := r.Read(text)
		w.must(err)
		pid, err := strconv.Atoi(strings.TrimSpace(string(text[:n])))
		w.must(err)
		pidfd, err := unix.PidfdOpen(pid, 0)
		w.must(err)
		defer unix.Close(pidfd)
		begun := time.Now()
		end(w, c, cmd)
		gone(w, pidfd, begun)
		if n := w.decisions(); n != 1 {
			w.t.Errorf("%d lines in the log", n)
		}
	}}
}

const daemonized = `trap "" HUP INT TERM PIPE; (setsid bash -c 'trap "" HUP INT TERM; (setsid bash -c "trap \"\" HUP INT TERM; echo \$\$; while :; do sleep 1000; done") &' &); sleep 1000`

var lifetimeAttacks = []attack{
	outlives("new-session", "a grandchild in a session of its own that ignores signals; the client closes", daemonized,
		func(_ *world, c *client.Client, _ *client.Cmd) { c.Close() }),
	outlives("cancel", "the same, and the command is killed", daemonized,
		func(w *world, _ *client.Client, cmd *client.Cmd) { w.must(cmd.Process.Kill()); _ = cmd.Wait() }),
	outlives("main-ended", "the command itself has ended with 1, and left it behind; then the client closes", strings.TrimSuffix(daemonized, "sleep 1000")+"exit 1",
		func(_ *world, c *client.Client, cmd *client.Cmd) { _ = cmd.Wait(); c.Close() }),
	outlives("stopped", "it has stopped itself", `trap "" HUP INT TERM; setsid bash -c 'echo $$; kill -STOP $$; sleep 1000'`,
		func(_ *world, c *client.Client, _ *client.Cmd) { c.Close() }),
	outlives("forks", "it forks as fast as it can, under 512 processes", `echo $$; f() { f & f & f; }; f 2>/dev/null`,
		func(_ *world, c *client.Client, _ *client.Cmd) { time.Sleep(200 * time.Millisecond); c.Close() }),
	{"lock-outlives-command", "a lock while a grandchild of its command still runs: not free", 6, nil, func(w *world) {
		w.policy("lock_path=@W@/locks\n", "bash: CommandFilter, bash, root\n[bash]\nlock=one\n")
		c, err := w.start(w.t.Context(), "")
		w.must(err)
		defer c.Close()
		if out, err := c.Command("bash", "-c", `(setsid sleep 1000 >&- 2>&- &); echo main ended`).Output(); err != nil || string(out) != "main ended\n" {
			w.t.Fatalf("%s, %v", out, err)
		}
		free := func() bool { return exec.Command("flock", "-n", w.text("@W@/locks/one"), "true").Run() == nil }
		if alive := exec.Command("pgrep", "-f", "^sleep 1000$").Run() == nil; alive && free() {
			w.t.Error("the lock is free, and what it protects still runs")
		}
		c.Close()
		if !free() {
			w.t.Error("the lock is not free after its client")
		}
	}},
}

func sockets(w *world, pid int) (network []string) {
	w.t.Helper()
	listening := map[string]string{}
	for _, kind := range []string{"tcp", "tcp6", "udp", "udp6", "raw", "raw6", "packet", "netlink"} {
		text, err := os.ReadFile(proc(pid, "net/"+kind))
		if os.IsNotExist(err) {
			continue
		}
		w.must(err)
		for row := range strings.Lines(string(text)) {
			for _, field := range strings.Fields(row) {
				listening["socket:["+field+"]"] = kind
			}
		}
	}
	fds, err := os.ReadDir(proc(pid, "fd"))
	w.must(err)
	for _, fd := range fds {
		to, err := os.Readlink(proc(pid, "fd/"+fd.Name()))
		if err == nil && listening[to] != "" && strings.HasPrefix(to, "socket:") {
			network = append(network, listening[to]+" "+to)
		}
	}
	return network
}

// networked is an attack for which something would have to listen: there is nothing.
func networked(name, how string, start func(w *world) (pid int)) attack {
	return attack{name, how, 9, nil, func(w *world) {
		w.policy("clients=nobody\n", "true: CommandFilter, true, root\n")
		if found := sockets(w, start(w)); len(found) > 0 {
			w.t.Errorf("it has %v", found)
		}
	}}
}

var networkAttacks = []attack{
	networked("daemon", "a connection from the network to a daemon", func(w *world) int {
		c, err := w.start(w.t.Context(), "")
		w.must(err)
		w.t.Cleanup(func() { c.Close() })
		return c.Helper().PID
	}),
	networked("serve", "to a service", func(w *world) int { return w.serve().cmd.Process.Pid }),
	networked("worker", "to a worker of the service", func(w *world) int {
		c, err := client.Dial(w.t.Context(), w.serve().path)
		w.must(err)
		w.t.Cleanup(func() { c.Close() })
		return c.Helper().PID
	}),
	{"setuid", "the binary, once somebody has set its setuid bit, with a policy of its caller's", 9, nil, func(w *world) {
		w.must(copyFile(w.text("@W@/bin/privhelper"), bin("privhelper")))
		w.policy("", "tool: CommandFilter, tool, root\n")
		w.program("@W@/bin/tool")
		w.file("@E@/evil.conf", "[DEFAULT]\nfilters_path=@E@\n")
		w.file("@E@/evil.filters", "[Filters]\ntool: CommandFilter, @W@/bin/tool, root\n")
		for _, name := range []string{"@E@/evil.conf", "@E@/evil.filters"} {
			owner(name, 65534, 65534)(w)
		}
		w.must(os.Chmod(w.text("@W@/bin/privhelper"), 0o755|os.ModeSetuid))
		nobody := []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", w.text("@W@/bin/privhelper")}
		for _, words := range [][]string{{"run", "--config", w.text("@E@/evil.conf"), "--", "tool"}, {"rootwrap", w.text("@E@/evil.conf"), "tool"}} {
			if r := takeCommand(w, append(nobody, words...)); r.ran || r.canary != "" {
				w.t.Errorf("%q: came through: %v", words, r)
			}
		}
	}},
}
