package attack

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep/client"
)

// strace are the words before a command line that let a system call fail at the call's point-th time in each thread. What that process executes in its turn is let go.
func (w *world) strace(call, what string, point int) []string {
	w.t.Helper()
	return []string{testenv.NeedProgram(w.t, "strace", "strace"), "-f", "-qq", "-b", "execve", "-o", w.text("@W@/trace"),
		"-e", "trace=" + call, "-e", fmt.Sprintf("inject=%s:%s:when=%d", call, what, point)}
}

// injected reports whether the last command line came to the point.
func (w *world) injected() bool {
	w.t.Helper()
	return strings.Contains(w.read(w.text("@W@/trace")), "(INJECTED)")
}

// sweep tries a system call's points from the first to the last that there is, or to as many as -points says.
func (w *world) sweep(calls []string, what string, try func(words []string, where string)) {
	w.t.Helper()
	reached := 0
	for _, call := range calls {
		for point := 1; point <= *points; point++ {
			try(w.strace(call, what, point), fmt.Sprintf("%s, time %d, %s", call, point, what))
			if !w.injected() {
				break
			}
			reached++
		}
	}
	if reached == 0 {
		w.t.Error("no call was reached")
	}
}

// fails is an attack on the machine: a call fails in the helper, and in privhelper run, as it does where a process, a disk or
// the machine is full, or where a signal came. What is refused stays refused; what is allowed runs once, or is refused with
// a reason; nothing hangs.
func fails(errno, how string, calls ...string) attack {
	return attack{strings.ToLower(errno), how + ": " + strings.Join(calls, ", "), 3, nil, func(w *world) {
		w.policy("", "tool: CommandFilter, tool, root\n")
		w.program("@W@/bin/tool")
		w.program("@W@/bin/other")
		w.sweep(calls, "error="+errno, func(words []string, where string) {
			before := w.decisions()
			run := append(slices.Clip(words), bin("privhelper"), "run", "--config", w.config, "--")
			w.refused(where, takeCommand(w, append(run, "other")))
			w.allowed(where, takeCommand(w, append(run, "tool")))
			if n := w.decisions() - before; n > 2 {
				w.t.Errorf("%s: run: %d lines for two commands", where, n)
			}
			before = w.decisions()
			ctx, cancel := context.WithTimeout(w.t.Context(), patience)
			defer cancel()
			c, err := w.starts(ctx, words)
			switch {
			case ctx.Err() != nil:
				w.t.Fatalf("%s: the daemon's start hangs", where)
			case err != nil:
				return // it said why
			}
			defer c.Close()
			w.refused(where, askClient(ctx, w, c, []string{"other"}))
			w.allowed(where, askClient(ctx, w, c, []string{"tool"}))
			if n := w.decisions() - before; n > 2 {
				w.t.Errorf("%s: daemon: %d lines for two commands", where, n)
			}
		})
	}}
}

// starts starts a daemon through the words of another program.
func (w *world) starts(ctx context.Context, words []string) (*client.Client, error) {
	return client.Start(ctx, client.Config{Launcher: &client.Prefix{Command: words, Path: bin("privhelper"), Args: []string{"daemon", "--config", w.config}}})
}

func (w *world) refused(where string, r result) {
	w.t.Helper()
	if r.canary != "" || r.code == 0 {
		w.t.Errorf("%s: what no rule allows came through: %v", where, r)
	}
}

// allowed wants a command to have run once or not at all. Of one whose answer could not travel the client is told that.
func (w *world) allowed(where string, r result) {
	w.t.Helper()
	ran := strings.Count(r.canary, "\n")
	if ran > 1 || ran == 0 && r.code == 0 || r.code != 0 && r.errors == "" {
		w.t.Errorf("%s: what a rule allows ran %d times: %v", where, ran, r)
	}
}

var faultAttacks = []attack{
	fails("EINTR", "calls that a signal interrupts", "openat", "openat2", "read", "write", "recvmsg", "sendmsg", "epoll_pwait", "clone", "wait4", "waitid"),
	// Not of reads and writes: the kernel gives EAGAIN only where a change of epoll's follows, and strace gives none.
	fails("EAGAIN", "no process to spare, or a path that changes", "clone", "clone3", "openat2"),
	fails("ENOMEM", "no memory in the kernel", "clone", "clone3", "openat", "mmap", "sendmsg", "recvmsg", "prctl", "capset", "epoll_ctl"),
	fails("EMFILE", "no descriptor to spare", "openat", "openat2", "fcntl", "pipe2", "dup3", "pidfd_open", "epoll_create1", "eventfd2"),
	fails("ENOSPC", "a full disk", "write", "openat", "mkdirat"),
	fails("EPERM", "what a sandbox around the helper forbids", "prctl", "capset", "setgroups", "close_range", "prlimit64", "unshare", "fchmodat", "mkdirat"),
}
