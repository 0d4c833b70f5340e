package privrunner_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
	"github.com/privhelper/privhelper/privsep/daemon"
	"github.com/privhelper/privhelper/privsep/daemon/rootwrap"
	"github.com/privhelper/privhelper/processutils"
	"github.com/privhelper/privhelper/processutils/privrunner"
)

const policy = `[Filters]
sh: CommandFilter, sh, root
id: CommandFilter, id, root
cat: CommandFilter, cat, root
missing: CommandFilter, no-such-program, root
fenced: CommandFilter, echo, root
[fenced]
fence = volume
`

// TestMain makes the test binary a helper too, with the folder of its fences for an argument.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "helper" {
		load := func() (*host.Loaded, error) { return load(os.Args[2]) }
		daemon.New(daemon.Options{Commands: rootwrap.New(rootwrap.Options{Load: load})}).Main()
		return
	}
	testenv.Main(m, testenv.Children{})
}

func load(fences string) (*host.Loaded, error) {
	cfg, _, err := filters.ParseConfig("test.conf", []byte("[DEFAULT]\nfilters_path=/nonexistent\ncapabilities=CAP_NET_ADMIN\nfence_path="+fences+"\n"), true)
	if err != nil {
		return nil, err
	}
	p, _, err := filters.ParsePolicy(cfg, []filters.Source{{File: "test.filters", Text: []byte(policy)}})
	if err != nil {
		return nil, err
	}
	return host.New(cfg, p, host.Options{UntrustedFiles: true})
}

// start starts a helper: as root, or as an ordinary user in a user namespace.
func start(t *testing.T) privrunner.Runner {
	t.Helper()
	helper := testenv.Child(t, "").Path // a path that every user can reach
	args := []string{"helper", t.TempDir()}
	var launcher client.Launcher = &client.Direct{Path: helper, Args: args}
	if os.Geteuid() != 0 {
		testenv.InUserNamespace(t, exec.Command("true")) // or the test is skipped
		launcher = &client.UserNamespace{Path: helper, Args: args}
	}
	c, err := client.Start(t.Context(), client.Config{Launcher: launcher})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return privrunner.Runner{Client: c}
}

func TestRoot(t *testing.T) {
	root := start(t)
	c := processutils.Command("sh", "-c", `id -u; cat; echo "$2" >&2`, "sh", "one", "two")
	c.Input = []byte("fed")
	var pid int
	c.OnStart = func(p processutils.Process) { pid = p.PID }
	res, err := root.Run(t.Context(), c)
	if err != nil || res.Stdout.String() != "0\nfed" || res.Stderr.String() != "two\n" || pid == 0 || res.Usage.MaxRSS == 0 {
		t.Errorf("%v, %v, pid %d, %+v", res, err, pid, res.Usage)
	}
	c = processutils.Command("sh", "-c", "echo out; echo err >&2; exit 3")
	c.MergeStderr, c.Accept = true, []int{3}
	if res, err := root.Run(t.Context(), c); err != nil || res.Stdout.String() != "out\nerr\n" || res.Code != 3 {
		t.Errorf("%v, %v", res, err)
	}
}

func TestFailures(t *testing.T) {
	root := start(t)
	for _, c := range []struct {
		cmd    processutils.Cmd
		stage  processutils.Stage
		code   int
		signal syscall.Signal
		is     error
	}{
		{processutils.Command("sh", "-c", "exit 7"), processutils.StageWait, 7, 0, nil},
		{processutils.Command("sh", "-c", "kill -SEGV $$"), processutils.StageWait, -1, syscall.SIGSEGV, nil},
		{processutils.Command("reboot"), processutils.StageExec, -1, 0, fs.ErrPermission},
		{processutils.Command("no-such-program"), processutils.StageExec, -1, 0, exec.ErrNotFound},
		{processutils.Cmd{Args: []string{"id"}, Limits: processutils.Limits{NumberFiles: processutils.Max(9)}}, processutils.StageStart, -1, 0, errors.ErrUnsupported},
	} {
		_, err := root.Run(t.Context(), c.cmd)
		var failed *processutils.ExecError
		if !errors.As(err, &failed) || failed.Stage != c.stage || failed.ExitCode() != c.code || failed.Signal() != c.signal || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%v: %v, want stage %s, %d, %v, %v", c.cmd, err, c.stage, c.code, c.signal, c.is)
		}
		var exit *client.ExitError
		var call *privsep.CallError
		if ran := c.stage == processutils.StageWait; errors.As(err, &exit) != ran || errors.As(err, &call) != (c.stage == processutils.StageExec) {
			t.Errorf("%v: %T", err, failed.Err)
		}
	}
}

// Commands of a Runner with a token are held against the fence, and a refusal is not tried again.
func TestToken(t *testing.T) {
	root := start(t)
	for i, step := range []struct {
		program string
		token   int64
		passes  bool
	}{{"echo", 0, false}, {"echo", 5, true}, {"echo", 7, true}, {"echo", 5, false}, {"echo", 7, true}, {"id", 7, false}, {"id", 0, true}} {
		root.Token = step.token
		res, err := processutils.Retry{Runner: root, Attempts: 3, MaxDelay: -1}.Run(t.Context(), processutils.Command(step.program))
		var failed *processutils.ExecError
		switch {
		case step.passes && err != nil:
			t.Errorf("step %d: %v", i, err)
		case !step.passes && (!errors.Is(err, privsep.CodeFenced) || !errors.As(err, &failed) || failed.Stage != processutils.StageExec || res.Attempt != 1):
			t.Errorf("step %d: %v, attempt %d", i, err, res.Attempt)
		}
	}
}

// The deadline ends the whole tree, one that ignores TERM and one that forked twice and called setsid included.
func TestDeadline(t *testing.T) {
	root := start(t)
	for script, want := range map[string]syscall.Signal{
		"exec sleep 100080": syscall.SIGTERM,
		"trap '' TERM; (setsid sleep 100080 >/dev/null 2>&1 &) ; while :; do sleep 100080; done": syscall.SIGKILL,
	} {
		c := processutils.Command("sh", "-c", script)
		c.Timeout = 300 * time.Millisecond
		c.Stop.Grace = 300 * time.Millisecond
		began := time.Now()
		_, err := root.Run(t.Context(), c)
		took := time.Since(began)
		var failed *processutils.ExecError
		if !errors.As(err, &failed) || !errors.Is(err, context.DeadlineExceeded) || failed.Stage != processutils.StageDeadline || failed.Signal() != want {
			t.Errorf("%v: %v, want %v", c, err, want)
		}
		if took > 1600*time.Millisecond {
			t.Errorf("took %v", took)
		}
		all, _ := os.ReadDir("/proc")
		for _, e := range all {
			if text, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline"); strings.HasPrefix(string(text), "sleep\x00100080\x00") {
				t.Errorf("process %s lives", e.Name())
			}
		}
	}
}

// What may have run is not run again.
func TestHelperDies(t *testing.T) {
	root := start(t)
	helper := root.Client.Helper().PID
	c := processutils.Command("sh", "-c", "exec sleep 100090")
	starts := 0
	c.OnStart = func(processutils.Process) {
		starts++
		if os.Geteuid() == 0 {
			syscall.Kill(helper, syscall.SIGKILL)
		} else {
			root.Client.Close() // in a user namespace the helper's number is not ours
		}
	}
	_, err := processutils.Retry{Runner: root, Attempts: 3, MaxDelay: -1}.Run(t.Context(), c)
	var failed *processutils.ExecError
	if !errors.As(err, &failed) || failed.Stage != processutils.StageLost || failed.Attempt != 1 || starts != 1 {
		t.Errorf("%v (%d starts)", err, starts)
	}
}
