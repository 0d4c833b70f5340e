package attack

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/lockutils"
	"github.com/privhelper/privhelper/privsep/client"
)

// A jump is what happens to the machine's clocks.
type jump struct {
	name string
	make func(w *world)
}

const year = 365 * 24 * time.Hour

// jumps: the machine sleeps last, when its clock agrees again with the one that wakes it.
var jumps = []jump{
	{"an hour on", setClock(time.Hour)}, {"an hour back", setClock(-time.Hour)},
	{"ten years on", setClock(10 * year)}, {"twenty years back", setClock(-20 * year)}, {"ten years on again", setClock(10 * year)},
	{"suspended", suspend},
}

// setClock moves the clock of the day.
func setClock(by time.Duration) func(w *world) {
	return func(w *world) {
		var now unix.Timespec
		w.must(unix.ClockGettime(unix.CLOCK_REALTIME, &now))
		now = unix.NsecToTimespec(now.Nano() + int64(by))
		w.must(unix.ClockSettime(unix.CLOCK_REALTIME, &now))
	}
}

// suspend has the machine sleep for some seconds, in which its monotonic clock stands still.
func suspend(w *world) {
	before := w.asleep()
	testenv.Output(w.t, exec.Command(testenv.NeedProgram(w.t, "rtcwake", "util-linux-extra"), "--mode", "mem", "--seconds", "5"))
	slept := w.asleep() - before
	w.t.Logf("slept for %v", slept.Round(time.Millisecond))
	if slept < time.Second {
		w.t.Errorf("the machine did not sleep")
	}
}

// asleep is for how long the machine has slept since it booted.
func (w *world) asleep() time.Duration {
	w.t.Helper()
	var all, awake unix.Timespec
	w.must(unix.ClockGettime(unix.CLOCK_MONOTONIC, &awake))
	w.must(unix.ClockGettime(unix.CLOCK_BOOTTIME, &all))
	return time.Duration(all.Nano() - awake.Nano())
}

// given is for how long what is limited may last, by the monotonic clock.
const given = 4 * time.Second

// TestClock has the clocks of a machine jump while something waits on everything that has a limit: it must last as long as it
// was given, no shorter and not much longer, and what has no limit must go on. It sets the clock, so that it runs only where it is
// told that the machine is its own: make test-clock.
func TestClock(t *testing.T) {
	if !*clock {
		t.Skip("sets the machine's clock; make test-clock runs it in a machine of its own")
	}
	testenv.NeedRoot(t)
	for _, j := range jumps {
		t.Run(j.name, func(t *testing.T) { newWorld(t).jumped(j) })
	}
}

func (w *world) jumped(j jump) {
	w.t.Helper()
	w.policy("clients=root\nservice_ready=2\nlock_path=@W@/locks\n", `sleep: CommandFilter, sleep, root
limited: CommandFilter, limited, root
holds: CommandFilter, holds, root
waits: CommandFilter, waits, root
leaves: CommandFilter, leaves, root
true: CommandFilter, true, root
[limited]
timeout=4s
[holds]
lock=one
[waits]
lock=one
[sleep]
lifetime=client
[leaves]
lifetime=detached
`)
	w.must(os.Mkdir(w.text("@W@/locks"), 0o755))
	for name, script := range map[string]string{"limited": "sleep 1000", "holds": "echo begun; sleep 1000", "waits": "echo ran >>@C@", "leaves": "sleep 1001 & echo begun"} {
		w.file("@W@/bin/"+name, "#!/bin/sh\n"+script+"\n")
		mode("@W@/bin/"+name, 0o755)(w)
	}
	service := w.serve()
	c, err := w.start(w.t.Context(), "")
	w.must(err)
	defer c.Close()

	attached, detached, holder := w.lifeline(), w.lifeline(), w.lifeline()
	w.begun(c.Command("holds"), holder)
	w.begun(c.Command("leaves"), detached)
	endless := c.Command("sleep", "1000")
	endless.Stdout = attached.held
	w.must(endless.Start())

	set := &lockutils.Set{Folder: w.text("@W@/own")}
	held, err := set.Lock(w.t.Context(), "two")
	w.must(err)
	defer held.Unlock()
	limited := map[string]func(ctx context.Context) error{
		"a call's deadline":         func(ctx context.Context) error { return c.CommandContext(ctx, "sleep", "1000").Run() },
		"a wait for a rule's lock":  func(ctx context.Context) error { return c.CommandContext(ctx, "waits").Run() },
		"a wait for a lock":         func(ctx context.Context) error { _, err := set.Lock(ctx, "two"); return err },
		"a rule's timeout":          func(context.Context) error { return c.Command("limited").Run() },
		"a deadline at the service": func(ctx context.Context) error { return dialled(ctx, service.path, "sleep", "1000") },
	}
	type lasted struct {
		what string
		err  error
		took time.Duration
	}
	ends := make(chan lasted, len(limited))
	for what, run := range limited {
		go func() {
			begun := time.Now() // with the monotonic clock, which alone is compared
			ctx, cancel := context.WithTimeout(w.t.Context(), given)
			defer cancel()
			err := run(ctx)
			ends <- lasted{what, err, time.Since(begun)}
		}()
	}
	time.Sleep(given / 4) // any moment in which all of them wait will do
	j.make(w)
	for range limited {
		select {
		case e := <-ends:
			w.t.Logf("%s: %v, %v", e.what, e.took.Round(time.Millisecond), e.err)
			if e.err == nil || e.took < given {
				w.t.Errorf("%s of %v lasted %v and ended with: %v", e.what, given, e.took, e.err)
			}
		case <-time.After(given + patience):
			w.t.Fatal("a limit does not hold")
		}
	}
	if w.sang() != "" {
		w.t.Error("what waited for the lock came by it")
	}
	for what, l := range map[string]*lifeline{"the command of an open client": attached, "who has the lock": holder, "the detached command": detached} {
		if !l.holds(w) {
			w.t.Errorf("%s has ended", what)
		}
	}
	w.must(dialled(w.t.Context(), service.path, "true")) // by a worker that was idle meanwhile
	c.Close()
	attached.over(w, "a command")
	holder.over(w, "who had the lock")
	if held, err := (&lockutils.Set{Folder: w.text("@W@/locks")}).Lock(w.t.Context(), "one"); err != nil {
		w.t.Errorf("the lock is not free: %v", err)
	} else {
		held.Unlock()
	}
	if !detached.holds(w) {
		w.t.Error("the detached command has ended with its client")
	}
	testenv.Output(w.t, exec.Command("pkill", "-x", "-f", "sleep 1001"))
	detached.over(w, "the detached command")
	if n := w.decisions(); n != 8 {
		w.t.Errorf("%d lines for 8 decisions: %s", n, w.read(w.log))
	}
}

// begun starts a command that says so, with a lifeline as its output.
func (w *world) begun(cmd *client.Cmd, l *lifeline) {
	w.t.Helper()
	cmd.Stdout = l.held
	w.must(cmd.Start())
	w.must(l.r.SetReadDeadline(time.Now().Add(patience)))
	if _, err := l.r.Read(make([]byte, len("begun\n"))); err != nil {
		w.t.Fatalf("%q: %v", cmd.Args, err)
	}
}

// holds reports whether anybody but this process has the lifeline: what is read then is not its end.
func (l *lifeline) holds(w *world) bool {
	w.t.Helper()
	l.held.Close()
	raw, err := l.r.SyscallConn()
	w.must(err)
	var n int
	w.must(raw.Control(func(fd uintptr) { n, err = unix.Read(int(fd), make([]byte, 1)) }))
	return n != 0 || err == unix.EAGAIN
}

// dialled has a new client of a service run a command.
func dialled(ctx context.Context, path string, argv ...string) error {
	c, err := client.Dial(ctx, path)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.CommandContext(ctx, argv[0], argv[1:]...).Run()
}
