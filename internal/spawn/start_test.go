//go:build linux

package spawn

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
)

func itoa(n int) string { return strconv.Itoa(n) }

func pipeLines(t testing.TB, cmd *exec.Cmd) *bufio.Reader {
	t.Helper()
	r, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	return bufio.NewReader(r)
}

func TestStatus(t *testing.T) {
	g, f := newTestGroup(t, Options{}), newTestForker(t)
	for _, test := range []struct {
		script string
		code   int
		signal syscall.Signal
	}{
		{"exit 0", 0, 0},
		{"exit 3", 3, 0},
		{"exit 255", 255, 0},
		{"kill -TERM $$", -1, syscall.SIGTERM},
		{"kill -KILL $$", -1, syscall.SIGKILL},
		// Ignored by Go's parent or not, a broken pipe must end a command (Python issue 1652, subprocess and SIGPIPE).
		{"kill -PIPE $$", -1, syscall.SIGPIPE},
		{"i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done", 0, 0},
	} {
		p, _ := start(t, g, f, test.script)
		st, err := p.Wait()
		if err != nil || st.Code != test.code || st.Signal != test.signal {
			t.Errorf("%s: %v, %v", test.script, st, err)
		}
		if st.Rusage.Maxrss == 0 || st.Rusage.Utime.Nano()+st.Rusage.Stime.Nano() == 0 {
			t.Errorf("%s: rusage %+v", test.script, st.Rusage)
		}
		again, _ := p.Wait()
		if again != st {
			t.Errorf("the second Wait says %v, the first %v", again, st)
		}
	}
}

func TestSignalReachesTheGroup(t *testing.T) {
	g, f := newTestGroup(t, Options{}), newTestForker(t)
	p, lines := start(t, g, f, `sh -c 'echo $$; exec sleep 1000' & wait`)
	child := readLife(t, lines)
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if st, _ := p.Wait(); st.Signal != syscall.SIGTERM {
		t.Error(st)
	}
	if !child.ends(bound) {
		t.Error("the signal did not reach the child")
	}
}

func TestStartErrors(t *testing.T) {
	g, f := newTestGroup(t, Options{}), newTestForker(t)
	dir := t.TempDir()
	write := func(name, text string, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	argv := []string{"x"}
	for _, test := range []struct {
		name string
		c    Command
		err  error
		says string
	}{
		{"zero", Command{}, syscall.EINVAL, "absolute"},
		// CVE-2021-4034: an empty argument vector.
		{"no argv", Command{Path: "/bin/true"}, syscall.EINVAL, "empty"},
		// CVE-2019-14287: -1 means no change.
		{"uid -1", Command{Path: "/bin/true", Argv: argv, Credential: &syscall.Credential{Uid: noID}}, syscall.EINVAL, "no change"},
		// CVE-2019-15901: the caller's groups kept.
		{"groups kept", Command{Path: "/bin/true", Argv: argv, Credential: &syscall.Credential{NoSetGroups: true}}, syscall.EINVAL, "groups"},
		{"missing", Command{Path: dir + "/none", Argv: argv}, fs.ErrNotExist, "program does not exist"},
		{"interpreter", Command{Path: write("script", "#!/no/such\n", 0o755), Argv: argv}, fs.ErrNotExist, "/no/such"},
		{"not executable", Command{Path: write("text", "x", 0o644), Argv: argv}, fs.ErrPermission, "not executable"},
		{"no format", Command{Path: write("junk", "x", 0o755), Argv: argv}, syscall.ENOEXEC, "#!"},
		{"folder", Command{Path: "/bin/true", Argv: argv, Dir: dir + "/none"}, fs.ErrNotExist, "working directory"},
	} {
		p, err := g.Start(context.Background(), f, test.c)
		var se *StartError
		if p != nil || !errors.As(err, &se) || !errors.Is(err, test.err) || !strings.Contains(se.Op, test.says) {
			t.Errorf("%s: %v, %v", test.name, p, err)
		}
	}
	if g.cg != nil {
		list := foldersOf(t, g)
		if len(list) != 1 || len(g.spare) != 1 { // one after the other has had it
			t.Errorf("folders of commands that did not start remain: %v, to be used again: %v", list, g.spare)
		}
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Start(context.Background(), f, Command{Path: "/bin/true", Argv: argv}); !errors.Is(err, ErrClosed) {
		t.Errorf("Start after Close: %v", err)
	}
}

// Every command ends before or while it is registered: none may be lost, none may stay.
func TestNothingLeaks(t *testing.T) {
	eachMethod(t, func(t *testing.T, g *Group, f *Forker) {
		c := Command{Path: "/bin/true", Argv: []string{"true"}, Setsid: true}
		several := func(n int) {
			var wg sync.WaitGroup
			for i := range 4 {
				wg.Go(func() {
					for range n / 4 {
						p, err := g.Start(context.Background(), f, c)
						if err != nil {
							t.Error(err)
							return
						}
						if i == 0 {
							continue // reaped although nobody waits
						}
						if st, err := p.Wait(); err != nil || st.Code != 0 {
							t.Error(st, err)
						}
					}
				})
			}
			wg.Wait()
		}
		for range runtime.GOMAXPROCS(0) {
			if err := f.grow(); err != nil {
				t.Fatal(err)
			}
		}
		several(8)
		fds, goroutines := countFDs(t), runtime.NumGoroutine()
		several(300)
		eventually(t, "children are left", func() bool {
			children.mu.Lock()
			defer children.mu.Unlock()
			return len(children.mains) == 0 && len(childrenByScan()(os.Getpid(), 0)) == 0
		})
		if n := countFDs(t); n > fds {
			t.Errorf("%d descriptors, before %d", n, fds)
		}
		// One that has just said that it is done is still counted.
		eventually(t, "goroutines are left", func() bool { return runtime.NumGoroutine() <= goroutines })
		if g.cg != nil {
			if list := foldersOf(t, g); len(list) > maxSpare {
				t.Errorf("%d folders remain", len(list))
			}
			if err := g.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(g.cg.path); err == nil {
				t.Error("the group's folder remains")
			}
		}
	})
}

func countFDs(t *testing.T) int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// eventually waits for what SIGCHLD brings about and no event tells.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(bound); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

// An orphan that ends is reaped while its command runs on.
func TestOrphansAreReaped(t *testing.T) {
	eachMethod(t, func(t *testing.T, g *Group, f *Forker) {
		_, lines := start(t, g, f, `(setsid sh -c 'echo $$; exec sleep 1000' &); exec sleep 1000`)
		orphan := readLife(t, lines)
		syscall.Kill(orphan.pid, syscall.SIGKILL)
		eventually(t, "the orphan stays a zombie", func() bool {
			_, err := readStat(orphan.pid)
			return err != nil
		})
	})
}

// A library that reaps all children makes os/exec fail with "wait: no child processes".
func TestOtherChildrenAreLeftAlone(t *testing.T) {
	eachMethod(t, func(t *testing.T, g *Group, f *Forker) {
		unwaited := exec.Command("/bin/true") // a zombie that lies before ours
		if err := unwaited.Start(); err != nil {
			t.Fatal(err)
		}
		sleeper := exec.Command("/bin/sleep", "1000")
		if err := sleeper.Start(); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			p, _ := start(t, g, f, "exit 0")
			if err := exec.Command("/bin/true").Run(); err != nil {
				t.Fatal(err)
			}
			p.Wait()
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		if err := unwaited.Wait(); err != nil {
			t.Error(err)
		}
		if !watch(t, sleeper.Process.Pid).alive() {
			t.Error("Close ended a child of os/exec")
		}
		sleeper.Process.Kill()
		if err := sleeper.Wait(); err == nil || err.Error() != "signal: killed" {
			t.Error(err)
		}
	})
}

// CVE-2024-21626: runc leaked a descriptor of the host to the container.
func TestDescriptors(t *testing.T) {
	cmd := testenv.Child(t, "descriptors")
	leak, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer leak.Close()
	cmd.ExtraFiles = []*os.File{leak, leak}
	if got := strings.Fields(output(t, cmd)); strings.Join(got, " ") != "0 1 2" {
		t.Errorf("the command has the descriptors %v", got)
	}
}

func TestSignalsAreDefault(t *testing.T) {
	block := testenv.Child(t, "block")
	cmd := exec.Command("/bin/sh", append([]string{"-c", `trap "" INT USR1 PIPE CHLD; exec "$@"`, "sh", block.Path}, block.Args[1:]...)...)
	cmd.Env = block.Env
	var before, after []string
	for line := range strings.Lines(output(t, cmd)) {
		f := strings.Fields(line)
		if f[0] == "before" {
			before = append(before, strings.TrimLeft(f[2], "0"))
		} else {
			after = append(after, strings.TrimLeft(f[1], "0"))
		}
	}
	if len(before) != 2 || before[0] == "" || before[1] == "" {
		t.Fatalf("the starter has blocked and ignored %q: this test tests nothing", before)
	}
	if len(after) != 2 || after[0] != "" || after[1] != "" {
		t.Errorf("the command has blocked and ignored %q", after)
	}
}

// pids.max, or RLIMIT_NPROC where the pids controller is elsewhere; the latter shows in the command's own limits. Nothing
// said is a limit too.
func TestMaxProcesses(t *testing.T) {
	var own unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &own); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		max    int
		pids   string
		nprocs uint64
	}{{4321, "4321", 4321}, {0, "512", 512}, {-1, "max", own.Cur}} {
		g, f := newTestGroup(t, Options{MaxProcesses: test.max}), newTestForker(t)
		p, lines := start(t, g, f, `echo; exec sleep 1000`)
		lines.ReadString('\n')
		var nprocs unix.Rlimit
		if err := unix.Prlimit(p.Pid, unix.RLIMIT_NPROC, nil, &nprocs); err != nil {
			t.Fatal(err)
		}
		if g.limitEach || test.max < 0 {
			if nprocs.Cur != test.nprocs {
				t.Errorf("%d: RLIMIT_NPROC is %d", test.max, nprocs.Cur)
			}
		} else if b, err := os.ReadFile(g.cg.path + "/pids.max"); err != nil || strings.TrimSpace(string(b)) != test.pids {
			t.Errorf("%d: pids.max %q, %v", test.max, b, err)
		}
		if err := p.KillTree(); err != nil {
			t.Error(err)
		}
	}
}

func BenchmarkStartWait(b *testing.B) {
	c := Command{Path: "/bin/true", Argv: []string{"true"}, Setsid: true}
	for _, method := range []string{"cgroup", "walk"} {
		b.Run(method, func(b *testing.B) {
			g, f := newTestGroup(b, Options{NoCgroup: method == "walk"}), newTestForker(b)
			if !strings.HasPrefix(g.Method(), method) {
				b.Skip(g.Method())
			}
			for b.Loop() {
				p, err := g.Start(context.Background(), f, c)
				if err != nil {
					b.Fatal(err)
				}
				p.Wait()
			}
		})
	}
	b.Run("os-exec", func(b *testing.B) {
		for b.Loop() {
			if err := exec.Command("/bin/true").Run(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
