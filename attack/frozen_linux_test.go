package attack

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep"
)

// stop stops a child of this process, and waits until all its threads have stopped.
func (w *world) stop(pid int) {
	w.t.Helper()
	w.must(syscall.Kill(pid, syscall.SIGSTOP))
	err := unix.EINTR
	for err == unix.EINTR {
		err, _ = unix.Waitid(unix.P_PID, pid, nil, unix.WSTOPPED|unix.WNOWAIT, nil).(unix.Errno)
	}
	if err != 0 {
		w.t.Fatal(err)
	}
}

// begins starts a client, as a process, whose command leaves another behind and then waits until it may end.
func (w *world) begins() (cmd *exec.Cmd, processes, commands *lifeline) {
	w.t.Helper()
	w.leavingPolicy()
	w.file("@W@/bin/tool", leaves+"cat @W@/go\n")
	w.must(unix.Mkfifo(w.text("@W@/go"), 0o600))
	processes, commands = w.lifeline(), w.lifeline()
	cmd = exec.Command(bin("caller"), bin("privhelper"), "daemon", "--config", w.config)
	cmd.Stdout, cmd.ExtraFiles = commands.held, []*os.File{processes.held}
	w.must(cmd.Start())
	w.must(commands.r.SetReadDeadline(time.Now().Add(patience)))
	if _, err := commands.r.Read(make([]byte, len("begun\n"))); err != nil {
		w.t.Fatalf("the command: %v", err)
	}
	return cmd, processes, commands
}

// cgroup2 is where cgroup2 is mounted.
func (w *world) cgroup2() string {
	w.t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	w.must(err)
	for row := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(row); slices.Contains(fields, "cgroup2") {
			return fields[4]
		}
	}
	testenv.Miss(w.t, "needs cgroup2")
	return ""
}

// cgroup makes a folder in cgroup2, and removes it in the end.
func (w *world) cgroup() string {
	w.t.Helper()
	dir := filepath.Join(w.cgroup2(), filepath.Base(base)+"-"+filepath.Base(w.dir))
	if err := os.Mkdir(dir, 0o755); err != nil {
		testenv.Miss(w.t, "needs a cgroup2 that can be written: "+err.Error())
	}
	w.t.Cleanup(func() {
		if err := os.Remove(dir); err != nil {
			w.t.Errorf("something is left in it: %v", err)
		}
	})
	return dir
}

// freezer freezes or thaws a cgroup, and waits until it is.
func (w *world) freezer(dir, state string) {
	w.t.Helper()
	events, err := os.Open(dir + "/cgroup.events")
	w.must(err)
	defer events.Close()
	w.must(os.WriteFile(dir+"/cgroup.freeze", []byte(state), 0))
	text := make([]byte, 200)
	for {
		n, err := unix.Pread(int(events.Fd()), text, 0)
		w.must(err)
		if strings.Contains(string(text[:n]), "frozen "+state) {
			return
		}
		if n, err := unix.Poll([]unix.PollFd{{Fd: int32(events.Fd()), Events: unix.POLLPRI}}, int(patience.Milliseconds())); n == 0 {
			w.t.Fatalf("the kernel does not freeze: %v", err)
		}
	}
}

var frozenAttacks = []attack{
	{"client-thawed", "the client is stopped, its command ends meanwhile, and it goes on", 6, nil, func(w *world) {
		cmd, processes, commands := w.begins()
		w.stop(cmd.Process.Pid)
		w.file("@W@/go", "") // the command's cat(1) ends
		w.must(cmd.Process.Signal(syscall.SIGCONT))
		if err := cmd.Wait(); err != nil {
			w.t.Errorf("the client: %v", err)
		}
		processes.over(w, "client or helper")
		commands.over(w, "a command")
		w.free("afterwards")
	}},
	{"client-killed", "the client is killed while it is stopped", 6, nil, func(w *world) {
		cmd, processes, commands := w.begins()
		w.stop(cmd.Process.Pid)
		w.must(cmd.Process.Kill())
		_ = cmd.Wait()
		processes.over(w, "client or helper")
		commands.over(w, "a command")
		w.free("afterwards")
	}},
	{"helper-stopped", "the helper is stopped: the caller's deadline holds all the same, and once it goes on nothing runs twice", 3, nil, func(w *world) {
		w.policy("", "tool: CommandFilter, tool, root\n")
		w.program("@W@/bin/tool")
		c, err := w.start(w.t.Context(), "")
		w.must(err)
		defer c.Close()
		if r := askClient(w.t.Context(), w, c, []string{"tool"}); !r.ran || r.canary == "" {
			w.t.Fatalf("the harmless twin: %v", r)
		}
		pid := c.Helper().PID
		w.stop(pid)
		ctx, cancel := context.WithTimeout(w.t.Context(), 50*time.Millisecond)
		defer cancel()
		var told *privsep.CallError
		if err := c.CommandContext(ctx, "tool").Run(); !errors.As(err, &told) || told.Outcome != privsep.Unknown {
			w.t.Errorf("the caller was told: %v", err)
		}
		w.must(syscall.Kill(pid, syscall.SIGCONT))
		if r := askClient(w.t.Context(), w, c, []string{"tool"}); !r.ran || strings.Count(r.canary, "\n") > 2 {
			w.t.Errorf("afterwards: %v", r)
		}
	}},
	{"helper-frozen", "helper and command in a frozen cgroup, their client killed meanwhile: both end with the thaw", 6, nil, func(w *world) {
		group := w.cgroup()
		w.leavingPolicy()
		processes, commands := w.lifeline(), w.lifeline()
		w.file("@W@/bin/tool", leaves+"sleep 1000\n")
		cmd := exec.Command(bin("caller"), "/bin/sh", "-c", "echo $$ >"+group+`/cgroup.procs; exec "$@"`, "sh", bin("privhelper"), "daemon", "--config", w.config)
		cmd.Stdout, cmd.ExtraFiles = commands.held, []*os.File{processes.held}
		w.must(cmd.Start())
		w.must(commands.r.SetReadDeadline(time.Now().Add(patience)))
		if _, err := commands.r.Read(make([]byte, len("begun\n"))); err != nil {
			w.t.Fatalf("the command: %v", err)
		}
		w.freezer(group, "1")
		w.must(cmd.Process.Kill())
		_ = cmd.Wait()
		if text := w.read(group + "/cgroup.procs"); strings.TrimSpace(text) == "" {
			w.t.Error("the helper was not in the frozen cgroup: " + strconv.Quote(text))
		}
		w.freezer(group, "0")
		processes.over(w, "client or helper")
		commands.over(w, "a command")
		w.free("afterwards")
	}},
}
