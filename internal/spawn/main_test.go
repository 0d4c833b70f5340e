//go:build linux

package spawn

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
)

func TestMain(m *testing.M) {
	testenv.Main(m, testenv.Children{
		"descriptors": descriptorsChild,
		"block":       blockChild,
		"recycle":     recycleChild,
		"signals":     signalsChild,
		"dumpable":    dumpableChild,
		"clone3":      clone3Child,
		"helper":      helperChild,
		"lease":       leaseChild,
	})
}

// helperChild is a helper with one command, sh -c args[1], that waits to be killed.
func helperChild(args []string) error {
	g, err := NewGroup(Options{Name: args[0], NoCgroup: args[0] == "walk"})
	if err != nil {
		return err
	}
	f, err := NewForker(nil)
	if err != nil {
		return err
	}
	if _, err := g.Start(context.Background(), f, shell(args[1], os.Stdout)); err != nil {
		return err
	}
	for {
		time.Sleep(time.Hour)
	}
}

// run starts script in a group of its own with standard output, and waits for it.
func run(script string) error {
	g, err := NewGroup(Options{NoCgroup: true})
	if err != nil {
		return err
	}
	return g.run(script)
}

// run starts script with standard output, waits for it, and closes the group.
func (g *Group) run(script string) error {
	f, err := NewForker(nil)
	if err != nil {
		return err
	}
	p, err := g.Start(context.Background(), f, shell(script, os.Stdout))
	if err != nil {
		return err
	}
	if st, err := p.Wait(); err != nil || st.Code != 0 {
		return errors.Join(fmt.Errorf("%v", st), err)
	}
	return g.Close()
}

func shell(script string, stdout *os.File) Command {
	return Command{
		Path: "/bin/sh", Argv: []string{"sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"},
		Stdout: stdout, Stderr: os.Stderr, Setsid: true,
	}
}

// eachMethod runs a test with cgroups, where the machine has them, and with a walk.
func eachMethod(t *testing.T, body func(t *testing.T, g *Group, f *Forker)) {
	for _, method := range []string{"cgroup", "walk"} {
		t.Run(method, func(t *testing.T) {
			g := newTestGroup(t, Options{Name: "privhelper-test", NoCgroup: method == "walk"})
			if !strings.HasPrefix(g.Method(), method) {
				testenv.Miss(t, g.Method())
			}
			body(t, g, newTestForker(t))
		})
	}
}

func newTestGroup(t testing.TB, o Options) *Group {
	t.Helper()
	g, err := NewGroup(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

func newTestForker(t testing.TB) *Forker {
	t.Helper()
	f, err := NewForker(nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// start starts a shell script and returns it with the lines that it and its descendants write.
func start(t testing.TB, g *Group, f *Forker, script string) (*Process, *bufio.Reader) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	t.Cleanup(func() { r.Close() })
	p, err := g.Start(context.Background(), f, shell(script, w))
	if err != nil {
		t.Fatal(err)
	}
	return p, bufio.NewReader(r)
}

// life is a process that a test watches, known for good by its pidfd.
type life struct{ pid, fd int }

// readLife reads a pid from a line.
func readLife(t testing.TB, r *bufio.Reader) life {
	t.Helper()
	line, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	return watch(t, pid)
}

func watch(t testing.TB, pid int) life {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatalf("process %d: %v", pid, err)
	}
	t.Cleanup(func() {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) // ends what a failed test left
		unix.Close(fd)
	})
	return life{pid, fd}
}

// ends reports whether the process ends within d.
func (l life) ends(d time.Duration) bool {
	fds := []unix.PollFd{{Fd: int32(l.fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, int(d.Milliseconds()))
		if err != unix.EINTR {
			return n == 1
		}
	}
}

func (l life) alive() bool { return !l.ends(0) }

const (
	bound     = 10 * time.Second // after which a test fails that waits for an event
	oneSecond = time.Second      // in which what is to end ends: the promise itself
)

// escapee starts a process that is in a session of its own and whose parents are gone, and writes its pid.
const escapee = `(setsid sh -c 'echo $$; exec sleep 1000' &) ; `

func descriptorsChild([]string) error {
	if err := CloseOnExecFrom3(); err != nil {
		return err
	}
	return run(`ls /proc/$$/fd; :`)
}

// blockChild becomes the signals child with SIGUSR2 blocked.
func blockChild([]string) error {
	runtime.LockOSThread()
	set := unix.Sigset_t{}
	set.Val[0] = 1 << (unix.SIGUSR2 - 1)
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &set, nil); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// Of two variables of one name Go takes the first, so the old one is replaced.
	if err := os.Setenv("PRIVHELPER_TEST_CHILD", "signals"); err != nil {
		return err
	}
	return syscall.Exec(self, os.Args, os.Environ())
}

func signalsChild([]string) error {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "SigBlk:") || strings.HasPrefix(line, "SigIgn:") {
			fmt.Print("before ", line)
		}
	}
	return run(`exec grep -E '^Sig(Blk|Ign):' /proc/self/status`)
}

func output(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
	return string(testenv.Output(t, cmd))
}
