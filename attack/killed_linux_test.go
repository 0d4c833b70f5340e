package attack

import (
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/privhelper/privhelper/privsep/client"
)

// leaves is a command that leaves a process in a session of its own, while its lock is held.
const (
	leaves     = "#!/bin/sh\necho \"$0\" >>@C@\ntrap '' HUP INT TERM\n(setsid sleep 1000 &)\necho begun\n"
	leavesRule = "tool: CommandFilter, tool, root\n[tool]\nlock=one\nlifetime=client\n"
)

// lifeline is a pipe that whatever came of an attack holds. It has an end when all of that has ended.
type lifeline struct{ r, held *os.File }

func (w *world) lifeline() *lifeline {
	w.t.Helper()
	r, held, err := os.Pipe()
	w.must(err)
	w.t.Cleanup(func() { r.Close(); held.Close() })
	return &lifeline{r, held}
}

// over wants that nobody holds the pipe any more, now or soon.
func (l *lifeline) over(w *world, what string) {
	w.t.Helper()
	l.held.Close()
	w.must(l.r.SetReadDeadline(time.Now().Add(patience)))
	if _, err := io.Copy(io.Discard, l.r); err != nil {
		w.t.Fatalf("%s lives on: %v", what, err)
	}
}

// free wants the lock of leavesRule free, and its command to have run once at most.
func (w *world) free(where string) {
	w.t.Helper()
	if n := strings.Count(w.sang(), "\n"); n > 1 {
		w.t.Errorf("%s: the command ran %d times", where, n)
	}
	if out, err := exec.Command("flock", "-n", w.text("@W@/locks/one"), "true").CombinedOutput(); err != nil {
		w.t.Errorf("%s: the lock is not free: %v %s", where, err, out)
	}
}

func (w *world) leavingPolicy() {
	w.t.Helper()
	w.policy("lock_path=@W@/locks\n", leavesRule)
	w.must(os.Mkdir(w.text("@W@/locks"), 0o755))
	w.file("@W@/bin/tool", leaves)
	mode("@W@/bin/tool", 0o755)(w)
}

// caller is a client that has a daemon run a command, with its own standard output for that.
func caller(args []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := client.Start(ctx, client.Config{Launcher: &client.Prefix{Command: []string{"env"}, Path: args[0], Args: args[1:]}})
	if err != nil {
		return err
	}
	defer c.Close()
	cmd := c.CommandContext(ctx, "tool")
	cmd.Stdout = os.Stdout
	return cmd.Run()
}

// killedCalls are those at which client and helper are killed.
var killedCalls = []string{"sendmsg", "recvmsg", "read", "write", "openat", "clone", "close", "epoll_pwait", "fcntl"}

var killedAttacks = []attack{
	{"client", "the client is killed at each time of " + strings.Join(killedCalls, ", "), 6, nil, func(w *world) {
		w.leavingPolicy()
		w.sweep(killedCalls, "signal=KILL", func(words []string, where string) {
			processes, commands := w.lifeline(), w.lifeline()
			cmd := exec.Command(words[0], append(words[1:], bin("caller"), bin("privhelper"), "daemon", "--config", w.config)...)
			cmd.Stdout, cmd.ExtraFiles = commands.held, []*os.File{processes.held} // 3 is nobody's, and the helper's too
			_ = cmd.Run()
			processes.over(w, where+": client or helper")
			commands.over(w, where+": a command")
			w.free(where)
		})
	}},
	{"helper", "the helper is killed there, and the next one started", 6, nil, func(w *world) {
		w.leavingPolicy()
		w.sweep(killedCalls, "signal=KILL", func(words []string, where string) {
			commands := w.lifeline()
			ctx, cancel := context.WithTimeout(w.t.Context(), patience)
			defer cancel()
			if c, err := w.starts(ctx, words); err == nil {
				cmd := c.CommandContext(ctx, "tool")
				cmd.Stdout = commands.held
				_ = cmd.Run()
				c.Close()
			}
			if ctx.Err() != nil {
				w.t.Fatalf("%s: the client hangs", where)
			}
			next, err := w.start(w.t.Context(), "") // it ends what the dead one had left
			w.must(err)
			next.Close()
			commands.over(w, where+": a command")
			w.free(where)
		})
	}},
}
