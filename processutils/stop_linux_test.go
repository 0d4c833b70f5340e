package processutils_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/processutils"
)

// grace is that of the tests here; the promise is that Run returns within a second of it.
const grace = 300 * time.Millisecond

// endWhen returns a context that ends when done is true, and when that was.
func endWhen(t *testing.T, done func() bool) (ctx context.Context, ended func() time.Time) {
	ctx, cancel := context.WithCancel(t.Context())
	var at atomic.Pointer[time.Time]
	go func() {
		defer cancel()
		for until := time.Now().Add(20 * time.Second); !done() && time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		}
		now := time.Now()
		at.Store(&now)
	}()
	return ctx, func() time.Time { return *at.Load() }
}

// Each returns within grace and a second, with the whole tree gone.
func TestStop(t *testing.T) {
	for _, c := range []struct {
		name, script string
		sleepers     int  // from when on it is ended
		kill         bool // it takes SIGKILL
	}{
		{"two-sleeps", "sleep 100010 & sleep 100010", 2, false},
		{"ignores-term", "trap '' TERM; sleep 100011 & while :; do sleep 100011; done", 2, true},
		{"setsid", "setsid sleep 100012 & setsid sleep 100012", 2, false},
		{"setsid-ignores-term", "trap '' TERM; setsid sleep 100013 & sleep 100013", 2, true},
		{"own-group", "timeout 100014 sleep 100014 & timeout 100014 sleep 100014", 2, false},
		{"orphan-in-the-group", "(sleep 100015 &) ; sleep 100015", 2, false},
		{"orphan-without-streams", "(sleep 100016 >/dev/null 2>&1 &) ; sleep 100016", 2, false},
		{"closed-its-streams", "exec >/dev/null 2>&1; sleep 100017", 1, false},
		{"stopped", "sleep 100018 & kill -STOP $$", 1, true},
		{"still-forking", "trap '' TERM; i=0; while [ $i -lt 100 ]; do setsid sleep 100019 & i=$((i+1)); done; wait", 50, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			number := c.script[strings.Index(c.script, "1000"):][:6]
			ctx, ended := endWhen(t, func() bool { return len(sleepers(t, number)) >= c.sleepers })
			cmd := processutils.Shell(c.script)
			cmd.Stop.Grace = grace
			err := failure(t, local, ctx, cmd)
			took := time.Since(ended())
			var exit *exec.ExitError
			if !errors.Is(err, context.Canceled) || err.Stage != processutils.StageDeadline || !errors.As(err, &exit) || len(err.Survivors) > 0 {
				t.Errorf("%v", err)
			}
			if c.kill != (err.Signal() == syscall.SIGKILL) && c.name != "stopped" { // which it may not be yet
				t.Errorf("ended by %v", err.Signal())
			}
			t.Logf("%v after the context's end", took)
			if took > grace+time.Second {
				t.Errorf("took %v", took)
			}
			if left := sleepers(t, number); len(left) > 0 {
				t.Errorf("alive: %v", left)
			}
		})
	}
}

// A daemon that holds the pipe cannot stretch the deadline (golang/go #60309). It is ended, or, where it is so quick that it
// was born before the command had its mark, reported.
func TestDaemonHoldsThePipe(t *testing.T) {
	for _, c := range []struct {
		name, script, number string
		mayLive              bool
	}{
		{"in-its-group", "(sleep 100020 &) ; exit 0", "100020", false},
		{"twice-forked", "setsid sh -c 'sleep 100021 & exit 0' & exit 0", "100021", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var main atomic.Int64
			ctx, ended := endWhen(t, func() bool {
				return orphaned(sleepers(t, c.number), c.number) && slices.Contains(zombies(t), strconv.Itoa(int(main.Load())))
			})
			cmd := processutils.Shell(c.script)
			cmd.Stop.Grace = grace
			cmd.OnStart = func(p processutils.Process) { main.Store(int64(p.PID)) }
			err := failure(t, local, ctx, cmd)
			if took := time.Since(ended()); took > grace+time.Second {
				t.Errorf("took %v", took)
			}
			if !errors.Is(err, context.Canceled) || !errors.Is(err, processutils.ErrDrain) || err.ExitCode() != 0 {
				t.Error(err)
			}
			left := sleepers(t, c.number)
			if len(err.Survivors) != len(left) || len(left) > 0 && !c.mayLive {
				t.Errorf("reported %v, alive %v", err.Survivors, left)
			}
			for _, pid := range err.Survivors {
				if !slices.Contains(left, strconv.Itoa(pid)) {
					t.Errorf("reported %d, alive %v", pid, left)
				}
				syscall.Kill(pid, syscall.SIGKILL)
			}
		})
	}
}

// orphaned reports whether there is a process and its parents, whose command lines name the number too, are gone.
func orphaned(pids []string, number string) bool {
	if len(pids) == 0 {
		return false
	}
	text, _ := os.ReadFile("/proc/" + pids[0] + "/stat")
	f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(f) < 2 {
		return false
	}
	parent, _ := os.ReadFile("/proc/" + f[1] + "/cmdline")
	return !strings.Contains(string(parent), number)
}

// A Timeout is a deadline.
func TestTimeout(t *testing.T) {
	cmd := processutils.Shell("sleep 100022 & sleep 100022")
	cmd.Timeout = 300 * time.Millisecond
	began := time.Now()
	err := failure(t, local, t.Context(), cmd)
	if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took < cmd.Timeout || took > cmd.Timeout+processutils.DefaultGrace+time.Second {
		t.Errorf("%v after %v", err, took)
	}
	if left := sleepers(t, "100022"); len(left) > 0 {
		t.Errorf("alive: %v", left)
	}
}

// With Drain a daemon that keeps the pipe lets Run return soon, and lives.
func TestDrain(t *testing.T) {
	cmd := processutils.Shell("echo up; setsid sh -c 'sleep 100030 & exit 0' & wait")
	cmd.Drain = 100 * time.Millisecond
	cmd.Timeout = time.Minute
	res, err := local.Run(t.Context(), cmd)
	if err != nil || res.Stdout.String() != "up\n" || len(res.Survivors) != 1 || res.Duration > 10*time.Second {
		t.Fatalf("%v, %v, survivors %v", res, err, res.Survivors)
	}
	if left := sleepers(t, "100030"); !slices.Equal(left, []string{strconv.Itoa(res.Survivors[0])}) {
		t.Errorf("alive %v, reported %v", left, res.Survivors)
	}
	syscall.Kill(res.Survivors[0], syscall.SIGKILL)
	if res, err := local.Run(t.Context(), processutils.Cmd{Args: []string{"echo", "x"}, Drain: time.Minute}); err != nil || res.Stdout.String() != "x\n" || res.Duration > 30*time.Second {
		t.Errorf("%v, %v", res, err)
	}
}

// The scopes reach what they say, and no more.
func TestScopes(t *testing.T) {
	for _, c := range []struct {
		scope  processutils.Scope
		script string
		number string
		all    int
		left   int
	}{
		{processutils.ScopeProcess, "sleep 100040 >/dev/null 2>&1 & exec sleep 100040", "100040", 2, 1},
		{processutils.ScopeGroup, "setsid sleep 100041 >/dev/null 2>&1 & sleep 100041 & sleep 100041", "100041", 3, 1},
		{processutils.ScopeTree, "setsid sleep 100042 >/dev/null 2>&1 & sleep 100042 & sleep 100042", "100042", 3, 0},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		cmd := processutils.Shell(c.script)
		cmd.Stop.Scope = c.scope
		go func() {
			eventually(t, "the command's processes", func() bool { return len(sleepers(t, c.number)) == c.all })
			cancel()
		}()
		err := failure(t, local, ctx, cmd)
		if !errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		left := sleepers(t, c.number)
		if len(left) != c.left {
			t.Errorf("scope %d: alive %v, want %d", c.scope, left, c.left)
		}
		for _, pid := range left {
			n, _ := strconv.Atoi(pid)
			syscall.Kill(n, syscall.SIGKILL)
		}
	}
}

// A folder of its own holds what forked twice and called setsid, and lets go of a daemon when the command ends by itself.
func TestScopeCgroup(t *testing.T) {
	cmd := processutils.Shell("setsid sh -c 'sleep 100050 >/dev/null 2>&1 & exit 0' & wait; echo up; exec sleep 100050")
	cmd.Stop = processutils.Stop{Scope: processutils.ScopeCgroup, Grace: -1}
	cmd.Timeout = time.Second
	err := failure(t, local, t.Context(), cmd)
	if errors.Is(err, processutils.ErrNoCgroup) {
		if err.Stage != processutils.StageStart || err.ExitCode() != -1 {
			t.Error(err)
		}
		testenv.Miss(t, err.Error())
	}
	if !errors.Is(err, context.DeadlineExceeded) || err.Signal() != syscall.SIGKILL || err.Stdout.String() != "up\n" || len(err.Survivors) > 0 {
		t.Error(err)
	}
	if left := sleepers(t, "100050"); len(left) > 0 {
		t.Errorf("alive: %v", left)
	}

	cmd = processutils.Shell("setsid sh -c 'sleep 100051 >/dev/null 2>&1 & exit 0' & wait")
	cmd.Stop.Scope = processutils.ScopeCgroup
	res, runErr := local.Run(t.Context(), cmd)
	left := sleepers(t, "100051")
	if runErr != nil || len(left) != 1 || len(res.Survivors) != 1 || strconv.Itoa(res.Survivors[0]) != left[0] {
		t.Errorf("%v, %v: survivors %v, alive %v", res, runErr, res.Survivors, left)
	}
	for _, pid := range res.Survivors {
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

// A context that has ended starts nothing; its cause shows.
func TestEndedContext(t *testing.T) {
	cause := errors.New("shutting down")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if err := failure(t, local, ctx, processutils.Command("/no/such/program")); !errors.Is(err, context.Canceled) || !errors.Is(err, cause) || err.Stage != processutils.StageDeadline {
		t.Error(err)
	}
	ctx, cancel = context.WithCancelCause(t.Context())
	c := processutils.Command("sleep", "100060")
	c.OnStart = func(processutils.Process) { cancel(cause) }
	if err := failure(t, local, ctx, c); !errors.Is(err, context.Canceled) || !errors.Is(err, cause) {
		t.Error(err)
	}
}

// A deadline that strikes while commands end by themselves: each is a success or a deadline, and none hangs or leaks.
func TestDeadlineAtTheEnd(t *testing.T) {
	before := descriptors()
	for i := range 200 {
		c := processutils.Command("true")
		c.Timeout = time.Duration(i) * 20 * time.Microsecond
		res, err := local.Run(t.Context(), c)
		if err != nil && !errors.Is(err, context.DeadlineExceeded) || err == nil && res.Code != 0 {
			t.Errorf("%v, %v", res, err)
		}
	}
	if after := descriptors(); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	if z := zombies(t); len(z) > 0 {
		t.Errorf("zombies: %v", z)
	}
}
