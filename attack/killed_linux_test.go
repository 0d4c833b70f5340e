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

// free wants the lock of leavesRule free, and its command to have run once at most, and says how often that was.
func (w *world) free(where string) (ran int) {
	w.t.Helper()
	if ran = strings.Count(w.sang(), "\n"); ran > 1 {
		w.t.Errorf("%s: the command ran %d times", where, ran)
	}
	if out, err := exec.Command("flock", "-n", w.text("@W@/locks/one"), "true").CombinedOutput(); err != nil {
		w.t.Errorf("%s: the lock is not free: %v %s", where, err, out)
	}
	return ran
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

// endsAt is an attack in which one side is killed at the first time of each of these calls: make lifetimes does it at all times of
// all calls.
func endsAt(side, how string) attack {
	calls := []string{"sendmsg", "recvmsg", "read", "write", "openat", "clone", "close", "epoll_pwait", "fcntl"}
	return attack{side, how + " at the first " + strings.Join(calls, ", "), 6, nil, func(w *world) {
		reached := 0
		for _, call := range calls {
			if r, _ := newWorld(w.t).meets(fate{side, "killed", step{call, 1}}); r {
				reached++
			}
		}
		if reached == 0 {
			w.t.Error("no call was reached")
		}
	}}
}

var killedAttacks = []attack{
	endsAt("client", "the client is killed"),
	endsAt("helper", "the helper is killed, and the next one started,"),
}
