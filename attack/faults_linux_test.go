package attack

import (
	"context"
	"fmt"
	"slices"
	"strconv"
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

// partly are the same words for a call that is done in part, or not yet.
func (w *world) partly(call, what string, point int) []string {
	return []string{bin("partial"), call, what, strconv.Itoa(point), w.text("@W@/trace")}
}

// sweep tries a system call's points from the first to the last that there is, or to as many as -points says.
func (w *world) sweep(calls []string, what string, words func(call, what string, point int) []string, try func(words []string, where string)) {
	w.t.Helper()
	reached := 0
	for _, call := range calls {
		for point := 1; point <= *points; point++ {
			try(words(call, what, point), fmt.Sprintf("%s, time %d, %s", call, point, what))
			if !w.injected() {
				break
			}
			reached++
		}
	}
	if reached == 0 {
		w.t.Error("no call was reached")
	}
	w.t.Logf("%s: %d times", what, reached)
}

// fails is an attack on the machine: a call fails in the helper, and in privhelper run, as it does where a process, a disk or
// the machine is full, or where a signal came. What is refused stays refused; what is allowed runs once, or is refused with
// a reason; nothing hangs.
func fails(errno, how string, calls ...string) attack {
	return attack{strings.ToLower(errno), how + ": " + strings.Join(calls, ", "), 3, nil, func(w *world) {
		w.faultPolicy()
		w.sweep(calls, "error="+errno, w.strace, func(words []string, where string) {
			w.askBoth(words, where, w.allowed, func(error) {}) // a helper that does not start said why
		})
	}}
}

// falters is the same where nothing fails: a call does a part of its work, or none yet. All that is allowed runs, once.
func falters(what, how string) attack {
	calls := []string{"read", "write", "sendmsg", "recvmsg"}
	return attack{what, how + ": " + strings.Join(calls, ", ") + ", of helper, client and privhelper run", 3, nil, func(w *world) {
		w.faultPolicy()
		w.sweep(calls, what, w.partly, func(words []string, where string) {
			w.askBoth(words, where, w.ranOnce, func(err error) { w.t.Errorf("%s: the daemon: %v", where, err) })
		})
		w.sweep(calls, what, w.partly, func(words []string, where string) {
			words = append(words, bin("caller"), bin("privhelper"), "daemon", "--config", w.config)
			w.ranOnce(where+": client", takeCommand(w, words))
		})
	}}
}

func (w *world) faultPolicy() {
	w.t.Helper()
	w.policy("", "tool: CommandFilter, tool, root\n")
	w.program("@W@/bin/tool")
	w.program("@W@/bin/other")
}

// askBoth asks privhelper run and a daemon, each started by these words, for what is refused and for what is allowed.
func (w *world) askBoth(words []string, where string, allowed func(where string, r result), noStart func(error)) {
	w.t.Helper()
	before := w.decisions()
	run := append(slices.Clip(words), bin("privhelper"), "run", "--config", w.config, "--")
	w.refused(where+": run", takeCommand(w, append(run, "other")))
	allowed(where+": run", takeCommand(w, append(run, "tool")))
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
		noStart(err)
		return
	}
	defer c.Close()
	w.refused(where+": daemon", askClient(ctx, w, c, []string{"other"}))
	allowed(where+": daemon", askClient(ctx, w, c, []string{"tool"}))
	if n := w.decisions() - before; n > 2 {
		w.t.Errorf("%s: daemon: %d lines for two commands", where, n)
	}
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

// ranOnce wants a command to have run once, and well.
func (w *world) ranOnce(where string, r result) {
	w.t.Helper()
	if strings.Count(r.canary, "\n") != 1 || r.code != 0 {
		w.t.Errorf("%s: what a rule allows ran %d times: %v", where, strings.Count(r.canary, "\n"), r)
	}
}

var faultAttacks = []attack{
	fails("EINTR", "calls that a signal interrupts", "openat", "openat2", "read", "write", "recvmsg", "sendmsg", "epoll_pwait", "clone", "wait4", "waitid"),
	// Not of reads and writes: the kernel gives EAGAIN only where a change of epoll's follows, and strace gives none ("again" does).
	fails("EAGAIN", "no process to spare, or a path that changes", "clone", "clone3", "openat2"),
	fails("ENOMEM", "no memory in the kernel", "clone", "clone3", "openat", "mmap", "sendmsg", "recvmsg", "prctl", "capset", "epoll_ctl"),
	fails("EMFILE", "no descriptor to spare", "openat", "openat2", "fcntl", "pipe2", "dup3", "pidfd_open", "epoll_create1", "eventfd2"),
	fails("ENOSPC", "a full disk", "write", "openat", "mkdirat"),
	fails("EPERM", "what a sandbox around the helper forbids", "prctl", "capset", "setgroups", "close_range", "prlimit64", "unshare", "fchmodat", "mkdirat"),
	falters("short", "one byte at a time that is asked for more"),
	falters("again", "nothing to be had yet, though a moment later there is"),
}
