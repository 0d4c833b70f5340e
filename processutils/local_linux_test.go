package processutils_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/processutils"
)

func TestOutputs(t *testing.T) {
	c := processutils.Shell(`cat; printf '%s %s' "$1" "$A" >&2; pwd`, "one two")
	c.Input, c.Env, c.Dir = []byte("in "), []string{"A=x", "A=y"}, "/proc"
	var out, stderr bytes.Buffer
	c.Stdout, c.Stderr = &out, &stderr
	res, err := local.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if res.Stdout.String() != "in /proc\n" || res.Stderr.String() != "one two y" || out.String() != res.Stdout.String() || stderr.String() != res.Stderr.String() {
		t.Errorf("got %q and %q, teed %q and %q", res.Stdout, res.Stderr, out.String(), stderr.String())
	}

	c.Stderr, c.MergeStderr = nil, true
	if got := run(t, c); got != "in one two y/proc\n" {
		t.Errorf("merged: %q", got)
	}
	if got := run(t, processutils.Cmd{Args: []string{"env"}, OnlyEnv: true, Env: []string{"B=1"}}); got != "B=1\n" {
		t.Errorf("a whole environment: %q", got)
	}
	if got := run(t, processutils.Cmd{Args: []string{"env"}, OnlyEnv: true}); got != "" {
		t.Errorf("an empty environment: %q", got)
	}
}

// Files are handed to the command itself, and stay open.
func TestFilesAsStreams(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in, err := os.Open("/proc/self/stat")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	res, err := local.Run(t.Context(), processutils.Cmd{Args: []string{"readlink", "/proc/self/fd/0", "/proc/self/fd/1"}, Stdin: in, Stdout: f, Bound: -1})
	if err != nil || res.Stdout.Len() != 0 {
		t.Fatal(res, err)
	}
	got, err := os.ReadFile(f.Name())
	if want := "/proc/" + strconv.Itoa(os.Getpid()) + "/stat\n" + f.Name() + "\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if _, err := f.WriteString("x"); err != nil {
		t.Error(err)
	}
}

func TestBound(t *testing.T) {
	c := processutils.Shell(`printf 0123456789abcdef`)
	for _, o := range []struct {
		bound      int
		head, tail string
		omitted    int64
	}{{0, "0123456789abcdef", "", 0}, {16, "0123456789abcdef", "", 0}, {20, "0123456789abcdef", "", 0}, {15, "01234567", "9abcdef", 1}, {4, "01", "ef", 12}, {1, "0", "", 15}, {-1, "", "", 0}} {
		c.Bound = o.bound
		res, err := local.Run(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if got := res.Stdout; string(got.Head) != o.head || string(got.Tail) != o.tail || got.Omitted != o.omitted {
			t.Errorf("bound %d: %q, %d, %q", o.bound, got.Head, got.Omitted, got.Tail)
		}
		if _, err := res.Stdout.Whole(); errors.Is(err, processutils.ErrTruncated) != (o.omitted > 0) {
			t.Errorf("bound %d: Whole: %v", o.bound, err)
		}
	}
}

// 1 GiB of output with a bound of 1 MiB: memory stays flat. oslo.rootwrap's daemon took 13.6 GB for the same.
func TestMemoryStaysFlat(t *testing.T) {
	grown, err := strconv.Atoi(strings.TrimSpace(string(testenv.Output(t, testenv.Child(t, "flat")))))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("1 GiB through a bound of 1 MiB: %d KiB more", grown)
	if grown > 16<<10 {
		t.Errorf("the process grew by %d KiB", grown)
	}
}

// 64 MiB on standard error while 64 MiB are fed: a program that writes first and reads then must not stop for ever.
func TestNoDeadlock(t *testing.T) {
	const size = 64 << 20
	c := processutils.Shell("head -c 67108864 /dev/zero >&2; wc -c")
	c.InputFunc = func() (io.Reader, error) { return io.LimitReader(zeros{}, size), nil }
	c.Timeout = 2 * time.Minute
	res, err := local.Run(t.Context(), c)
	if err != nil || strings.TrimSpace(res.Stdout.String()) != strconv.Itoa(size) || res.Stderr.Len() != size {
		t.Errorf("%d bytes of standard error, input %q: %v", res.Stderr.Len(), res.Stdout, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A command that leaves its input unread has not failed (EPIPE), and one whose input fails has.
func TestInput(t *testing.T) {
	c := processutils.Command("true")
	c.Input = make([]byte, 1<<20)
	run(t, c)

	c = processutils.Command("cat")
	c.InputFunc = func() (io.Reader, error) {
		return io.MultiReader(strings.NewReader("x"), failing{}), nil
	}
	err := failure(t, local, t.Context(), c)
	if !errors.Is(err, io.ErrNoProgress) || err.ExitCode() != 0 || err.Stdout.String() != "x" {
		t.Error(err)
	}
	c.InputFunc = func() (io.Reader, error) { return nil, io.ErrNoProgress }
	if err := failure(t, local, t.Context(), c); !errors.Is(err, io.ErrNoProgress) || err.Stage != processutils.StageStart {
		t.Error(err)
	}

	// A Read that hangs does not keep Run.
	hangs, other := io.Pipe()
	defer other.Close()
	run(t, processutils.Cmd{Args: []string{"true"}, InputFunc: func() (io.Reader, error) { return hangs, nil }})
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrNoProgress }

// A writer behind the output that fails does not stop the command, and is an error at the end.
func TestTeeFails(t *testing.T) {
	c := processutils.Shell("head -c 1000000 /dev/zero; echo end >&2")
	c.Stdout = refusing{}
	err := failure(t, local, t.Context(), c)
	if !errors.Is(err, io.ErrShortWrite) || err.Result.Stderr.String() != "end\n" || err.Result.Stdout.Len() != 1000000 {
		t.Error(err)
	}
}

// A writer that hangs does not keep Run past the deadline, and not the other stream from being read.
func TestTeeHangs(t *testing.T) {
	from, to := io.Pipe()
	defer from.Close()
	c := processutils.Shell("head -c 1000000 /dev/zero >&2; echo x; exec sleep 100120")
	c.Stdout, c.Timeout, c.Stop.Grace = to, 500*time.Millisecond, -1
	began := time.Now()
	err := failure(t, local, t.Context(), c)
	if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || err.Result.Stderr.Len() != 1000000 || took > 1500*time.Millisecond {
		t.Errorf("after %v: %v", took, err)
	}
}

type refusing struct{}

func (refusing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		script string
		accept []int
		any    bool
		ok     bool
	}{
		{"exit 0", nil, false, true}, {"exit 1", nil, false, false}, {"exit 1", nil, true, true},
		{"exit 3", []int{0, 3}, false, true}, {"exit 0", []int{3}, false, false}, {"exit 255", []int{255}, false, true},
		{"kill -9 $$", nil, false, false}, {"kill -9 $$", []int{-9}, false, true}, {"kill -9 $$", []int{9}, false, false}, {"kill -9 $$", nil, true, true},
	} {
		cmd := processutils.Shell(c.script)
		cmd.Accept, cmd.AcceptAny = c.accept, c.any
		_, err := local.Run(t.Context(), cmd)
		if (err == nil) != c.ok {
			t.Errorf("%q, accepted %v (any: %v): %v", c.script, c.accept, c.any, err)
		}
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := write("plain", "x", 0o644)
	busy := write("busy", "", 0o755)
	f, err := os.OpenFile(busy, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := func(dir string) processutils.Cmd { return processutils.Cmd{Args: []string{"true"}, Dir: dir} }
	for _, c := range []struct {
		cmd   processutils.Cmd
		stage processutils.Stage
		is    []error
	}{
		{processutils.Command("no-such-program"), processutils.StageExec, []error{exec.ErrNotFound}},
		{processutils.Command("/no/such/program"), processutils.StageExec, []error{exec.ErrNotFound, fs.ErrNotExist}},
		{processutils.Command(write("script", "#!/no/interpreter\n", 0o755)), processutils.StageExec, []error{exec.ErrNotFound}},
		{processutils.Command(plain), processutils.StageExec, []error{fs.ErrPermission, syscall.EACCES}},
		{processutils.Cmd{Args: []string{"plain"}, Env: []string{"PATH=" + dir}}, processutils.StageExec, []error{fs.ErrPermission}},
		{processutils.Cmd{Args: []string{"busy"}, Env: []string{"PATH=."}, Dir: dir}, processutils.StageExec, []error{exec.ErrNotFound}},
		{processutils.Command(busy), processutils.StageExec, []error{syscall.ETXTBSY}},
		{in("/no/such/folder"), processutils.StageStart, []error{fs.ErrNotExist}},
		{in(plain), processutils.StageStart, []error{syscall.ENOTDIR}},
		{processutils.Cmd{}, processutils.StageStart, []error{syscall.EINVAL}},
		{processutils.Command("a\x00b"), processutils.StageStart, []error{syscall.EINVAL}},
		{processutils.Cmd{Args: []string{"true"}, Env: []string{"=x"}}, processutils.StageStart, []error{syscall.EINVAL}},
		{processutils.Cmd{Args: []string{"true"}, Input: []byte("x"), Stdin: f}, processutils.StageStart, []error{syscall.EINVAL}},
	} {
		got := failure(t, local, t.Context(), c.cmd)
		if got.Stage != c.stage || got.ExitCode() != -1 || got.Signal() != 0 {
			t.Errorf("%v: stage %s, code %d, signal %v, want stage %s", got, got.Stage, got.ExitCode(), got.Signal(), c.stage)
		}
		for _, target := range c.is {
			if !errors.Is(got, target) {
				t.Errorf("%v is not %v", got, target)
			}
		}
		if errors.Is(got, context.DeadlineExceeded) || errors.Is(got, exec.ErrNotFound) != slices.Contains(c.is, exec.ErrNotFound) {
			t.Errorf("%v is too much", got)
		}
	}
}

// What fails at any stage leaves no descriptor and no zombie.
func TestFailuresLeaveNothing(t *testing.T) {
	busy := filepath.Join(t.TempDir(), "busy")
	f, err := os.OpenFile(busy, os.O_RDWR|os.O_CREATE, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	wrong := processutils.Limits{NumberFiles: &processutils.Limit{Soft: 2, Hard: 1}}
	before := descriptors()
	for range 20 {
		for _, c := range []processutils.Cmd{
			processutils.Command("/no/such/program"), processutils.Command("no-such-program"), processutils.Command(busy),
			{Args: []string{"true"}, Dir: "/no/such/folder"}, {Args: []string{"true"}, Limits: wrong}, {Args: []string{"/usr/bin/passwd"}, Limits: wrong},
			{Args: []string{busy}, Limits: processutils.Limits{NumberFiles: processutils.Max(20)}},
			{Args: []string{"/no/such/program"}, Stop: processutils.Stop{Scope: processutils.ScopeCgroup}},
			{Args: []string{"cat"}, InputFunc: func() (io.Reader, error) { return nil, io.ErrNoProgress }},
			{Args: []string{"sleep", "100130"}, Timeout: time.Millisecond, Stop: processutils.Stop{Grace: -1}},
		} {
			failure(t, local, t.Context(), c)
		}
	}
	eventually(t, "no more descriptors than before", func() bool { return descriptors() <= before })
	if z := zombies(t); len(z) > 0 {
		t.Errorf("zombies: %v", z)
	}
	folder := "processutils-" + strconv.Itoa(os.Getpid()) + "-*"
	for _, pattern := range []string{"/sys/fs/cgroup/" + folder, "/sys/fs/cgroup/*/" + folder} {
		if left, _ := filepath.Glob(pattern); len(left) > 0 {
			t.Errorf("folders: %v", left)
		}
	}
}

func TestExecError(t *testing.T) {
	got := failure(t, local, t.Context(), processutils.Shell("echo out; echo err >&2; exit 7"))
	var exit *exec.ExitError
	if !errors.As(got, &exit) || exit.ExitCode() != 7 || got.ExitCode() != 7 || got.Sys().(syscall.WaitStatus).ExitStatus() != 7 {
		t.Errorf("%v: %v", got, exit)
	}
	if got.Stdout.String() != "out\n" || got.Stderr.String() != "err\n" || got.Attempt != 1 || got.Duration <= 0 || got.Stage != processutils.StageWait {
		t.Errorf("%#v", got.Result)
	}
	if want := `run /bin/sh -c 'echo out; echo err >&2; exit 7' sh: exit status 7; stderr: "err"`; got.Error() != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	killed := failure(t, local, t.Context(), processutils.Shell("kill -SEGV $$"))
	if killed.Signal() != syscall.SIGSEGV || killed.ExitCode() != -1 {
		t.Error(killed)
	}
}

func TestCallbacks(t *testing.T) {
	var pid int
	var ended processutils.Status
	c := processutils.Shell("echo $$; exec sleep 4711")
	c.OnStart = func(p processutils.Process) {
		pid = p.PID
		if err := p.Signal(syscall.SIGUSR1); err != nil {
			t.Error(err)
		}
	}
	c.OnEnd = func(r processutils.Result) { ended = r.Status }
	got := failure(t, local, t.Context(), c)
	if pid == 0 || ended.Signal != syscall.SIGUSR1 || got.Signal() != syscall.SIGUSR1 {
		t.Errorf("pid %d, ended %v, %v", pid, ended, got)
	}
	c = processutils.Command("/no/such/program")
	c.OnEnd = func(processutils.Result) { t.Error("OnEnd for what never began") }
	failure(t, local, t.Context(), c)
}

func TestDiscardWarnings(t *testing.T) {
	c := processutils.Shell("echo out; echo warning >&2; exit $1", "0")
	c.DiscardWarnings = true
	if res, err := local.Run(t.Context(), c); err != nil || res.Stderr.Len() != 0 || res.Stdout.String() != "out\n" {
		t.Error(res, err)
	}
	c.Args[len(c.Args)-1] = "1"
	if err := failure(t, local, t.Context(), c); err.Stderr.String() != "warning\n" {
		t.Error(err)
	}
}
