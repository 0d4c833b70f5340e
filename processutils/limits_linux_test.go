package processutils_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/processutils"
)

// tenLimits are all of them, with the names that /proc/PID/limits has.
func tenLimits() (processutils.Limits, map[string]string) {
	l := processutils.Limits{
		AddressSpace: processutils.Max(1 << 32), CoreFileSize: processutils.Max(0), CPUTime: processutils.Max(100),
		DataSize: processutils.Max(1 << 31), FileSize: processutils.Max(1 << 20), MemoryLocked: processutils.Max(4096),
		NumberFiles: &processutils.Limit{Soft: 50, Hard: 60}, NumberProcesses: processutils.Max(500),
		ResidentSetSize: processutils.Max(1 << 30), StackSize: processutils.Max(1 << 22),
	}
	return l, map[string]string{
		"Max address space": "4294967296 4294967296", "Max core file size": "0 0", "Max cpu time": "100 100",
		"Max data size": "2147483648 2147483648", "Max file size": "1048576 1048576", "Max locked memory": "4096 4096",
		"Max open files": "50 60", "Max processes": "500 500", "Max resident set": "1073741824 1073741824", "Max stack size": "4194304 4194304",
	}
}

// hasLimits compares the text of /proc/PID/limits.
func hasLimits(text string, want map[string]string) error {
	var errs []error
	for name, value := range want {
		_, rest, _ := strings.Cut(text, "\n"+name+" ")
		f := strings.Fields(rest)
		if len(f) < 2 || f[0]+" "+f[1] != value {
			errs = append(errs, fmt.Errorf("%s is %.20q, want %s", name, rest, value))
		}
	}
	return errors.Join(errs...)
}

func TestLimits(t *testing.T) {
	own, err := os.ReadFile("/proc/self/limits")
	if err != nil {
		t.Fatal(err)
	}
	limits, want := tenLimits()
	if err := hasLimits(run(t, processutils.Cmd{Args: []string{"cat", "/proc/self/limits"}, Limits: limits}), want); err != nil {
		t.Error(err)
	}
	if now, err := os.ReadFile("/proc/self/limits"); err != nil || string(now) != string(own) {
		t.Errorf("the caller's own limits are %s, were %s (%v)", now, own, err)
	}
	// A script, and a limit that the program meets.
	err = failure(t, local, t.Context(), processutils.Cmd{Args: []string{"sh", "-c", "exec head -c 4096 /dev/zero >" + filepath.Join(t.TempDir(), "f")}, Limits: processutils.Limits{FileSize: processutils.Max(100)}})
	if err.(*processutils.ExecError).Signal() != syscall.SIGXFSZ {
		t.Error(err)
	}
}

// What cannot be set is an error of its own, and not the program's exit 1.
func TestLimitErrors(t *testing.T) {
	for _, l := range []processutils.Limits{
		{NumberFiles: &processutils.Limit{Soft: 20, Hard: 10}},
		{NumberFiles: processutils.Max(1 << 40)}, // above fs.nr_open, for root too
	} {
		for _, program := range []string{"/bin/true", "/usr/bin/passwd"} { // the second is setuid
			got := failure(t, local, t.Context(), processutils.Cmd{Args: []string{program}, Limits: l})
			var limit *processutils.LimitError
			if !errors.As(got, &limit) || limit.Name != "number_files" || got.Stage != processutils.StageLimit || got.ExitCode() != -1 {
				t.Errorf("%s, %v: %v", program, l.NumberFiles, got)
			}
		}
	}
	// A program that cannot be executed is what it is without limits.
	if got := failure(t, local, t.Context(), processutils.Cmd{Args: []string{"/no/such"}, Limits: processutils.Limits{NumberFiles: processutils.Max(10)}}); !errors.Is(got, exec.ErrNotFound) || got.Stage != processutils.StageExec {
		t.Error(got)
	}
	if z := zombies(t); len(z) > 0 {
		t.Errorf("zombies: %v", z)
	}
}

// A program that gains privileges keeps doing so: a traced one would not.
func TestLimitsOfSetuidProgram(t *testing.T) {
	testenv.NeedRoot(t)
	testenv.NeedProgram(t, "prlimit", "util-linux")
	dir, err := os.MkdirTemp("", "setuid")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "id")
	text, err := os.ReadFile("/usr/bin/id")
	if err == nil {
		err = errors.Join(os.Chmod(dir, 0o755), os.WriteFile(program, text, 0o755), os.Chmod(program, 0o755|os.ModeSetuid))
	}
	if err != nil {
		t.Fatal(err)
	}
	child := testenv.Child(t, "limits-by-tool", program)
	testenv.AsUser(t, child)
	if got := strings.TrimSpace(string(testenv.Output(t, child))); got != "0" {
		t.Errorf("the setuid program ran as uid %s", got)
	}
}

// Where ptrace is not to be had (here because strace traces all), prlimit(1) sets the limits; what cannot be set and what
// cannot be executed are told all the same.
func TestLimitsWithoutPtrace(t *testing.T) {
	strace := testenv.NeedProgram(t, "strace", "strace")
	testenv.NeedProgram(t, "prlimit", "util-linux")
	child := testenv.Child(t, "limits-by-tool", "/usr/bin/id", "errors")
	traced := exec.Command(strace, append([]string{"-f", "-e", "trace=none", "-e", "signal=none", "-o", os.DevNull, child.Path}, child.Args[1:]...)...)
	traced.Env = child.Env
	if got := strings.TrimSpace(string(testenv.Output(t, traced))); got != strconv.Itoa(os.Getuid()) {
		t.Errorf("got %q", got)
	}
}

// limitsByTool runs a setuid copy of id with limits, as an ordinary user.
func limitsByTool(args []string) error {
	limits := processutils.Limits{NumberFiles: processutils.Max(50)}
	res, err := local.Run(context.Background(), processutils.Cmd{Args: []string{args[0], "-u"}, Limits: limits})
	fmt.Print(res.Stdout)
	if err != nil || len(args) == 1 {
		return err
	}
	all, want := tenLimits()
	res, err = local.Run(context.Background(), processutils.Cmd{Args: []string{"cat", "/proc/self/limits"}, Limits: all})
	if err := errors.Join(err, hasLimits(res.Stdout.String(), want)); err != nil {
		return err
	}
	res, err = local.Run(context.Background(), processutils.Cmd{Args: []string{"cat", "/proc/self/cmdline"}, Limits: limits})
	if err != nil || !strings.HasPrefix(res.Stdout.String(), "/") { // prlimit(1) knows the program by its path alone
		return fmt.Errorf("prlimit(1) was not used: %q, %w", res.Stdout, err)
	}
	var limit *processutils.LimitError
	if _, err := local.Run(context.Background(), processutils.Cmd{Args: []string{"true"}, Limits: processutils.Limits{NumberFiles: processutils.Max(1 << 40)}}); !errors.As(err, &limit) {
		return fmt.Errorf("a limit that cannot be set: %w", err)
	}
	if _, err := local.Run(context.Background(), processutils.Cmd{Args: []string{"/no/such"}, Limits: limits}); !errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("a missing program: %w", err)
	}
	if _, err := local.Run(context.Background(), processutils.Cmd{Args: []string{"/etc/passwd"}, Limits: limits}); !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("no program: %w", err)
	}
	return nil
}

func BenchmarkLimits(b *testing.B) {
	limits, _ := tenLimits()
	for name, c := range map[string]processutils.Cmd{
		"none": processutils.Command("/bin/true"), "traced": {Args: []string{"/bin/true"}, Limits: limits},
		"prlimit(1)": processutils.Command("/usr/bin/prlimit", "--nofile=50:60", "/bin/true"),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := local.Run(b.Context(), c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
