//go:build linux

package spawn

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
)

// A command's timeout must end what it started and nothing else; rootwrap and sudo end the first process only.
func TestKillTree(t *testing.T) {
	eachMethod(t, func(t *testing.T, g *Group, f *Forker) {
		tree := escapee + `sh -c 'echo $$; exec sleep 1000' & exec sleep 1000`
		one, lines := start(t, g, f, tree)
		first := []life{readLife(t, lines), readLife(t, lines), watch(t, one.Pid)}
		two, lines := start(t, g, f, tree)
		second := []life{readLife(t, lines), readLife(t, lines), watch(t, two.Pid)}

		begun := time.Now()
		if err := one.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(begun); d > oneSecond {
			t.Errorf("KillTree took %v", d)
		}
		if st, err := one.Wait(); err != nil || st.Signal != syscall.SIGKILL {
			t.Errorf("status %v, %v", st, err)
		}
		survivors := 0
		for _, l := range first {
			if l.alive() {
				survivors++
			}
		}
		// Without cgroups and without CAP_SYS_NICE nobody knows whose the escapee is: Close ends it, below.
		if known := g.cg != nil || g.tagged; survivors != 0 && (known || survivors != 1) {
			t.Errorf("%d processes of the killed tree live", survivors)
		}
		for _, l := range second {
			if !l.alive() {
				t.Errorf("process %d of the other tree ended", l.pid)
			}
		}
		if err := one.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("Signal after the end: %v", err)
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		for _, l := range append(first, second...) {
			if l.alive() {
				t.Errorf("process %d survived Close", l.pid)
			}
		}
		two.Wait()
	})
}

// The main process has ended, so that only the account knows whose its daemon is.
func TestKillTreeAfterTheEnd(t *testing.T) {
	eachMethod(t, func(t *testing.T, g *Group, f *Forker) {
		if g.cg == nil && !g.tagged {
			testenv.Miss(t, "needs cgroups or CAP_SYS_NICE")
		}
		p, lines := start(t, g, f, escapee)
		daemon := readLife(t, lines)
		p.Wait()
		if !daemon.alive() {
			t.Fatal("the daemon ended with the command")
		}
		if err := p.KillTree(); err != nil {
			t.Fatal(err)
		}
		if daemon.alive() {
			t.Error("the daemon survived KillTree")
		}
	})
}

// bombs write a line when they are under way. In a chain every process forks the next and ends at once: a list of
// processes is outdated when it is read.
var bombs = map[string]string{
	"chains":   chain + `for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sh -c "$C" & done; echo; `,
	"sessions": chain + `for i in 1 2 3 4 5; do setsid sh -c "$C" & done; echo; `,
	"tree":     `m() { [ $1 = 0 ] || { m $(($1-1)) & m $(($1-1)) & }; sleep 1000; }; m 7 & echo; `,
}

// chain is a chain without an end: dash counts the depth of functions, which an exec begins anew.
const chain = `export C='n=0; m() { n=$((n+1)); [ $n = 900 ] && exec sh -c "$C"; m & }; m'; `

// The promise is a second, also where the main process has ended and only its descendants go on.
func TestEndsForkBombs(t *testing.T) {
	for name, bomb := range bombs {
		for after, then := range map[string]string{"main lives": "exec sleep 1000", "main ended": "exit 0"} {
			for how, end := range map[string]func(*Group, *Process) error{
				"Close":    func(g *Group, _ *Process) error { return g.Close() },
				"KillTree": func(_ *Group, p *Process) error { return p.KillTree() },
			} {
				t.Run(strings.Join([]string{name, after, how}, "/"), func(t *testing.T) {
					eachMethod(t, func(t *testing.T, g *Group, f *Forker) {
						if how == "KillTree" && g.cg == nil && !g.tagged {
							testenv.Miss(t, "needs cgroups or CAP_SYS_NICE")
						}
						p, lines := start(t, g, f, bomb+then)
						if _, err := lines.ReadString('\n'); err != nil {
							t.Fatal(err)
						}
						if then == "exit 0" {
							p.Wait()
						}
						endBomb(t, lines, func() error { return end(g, p) })
					})
				})
			}
		}
	}
}

// endBomb ends a bomb and sees that nothing of it is left a second later: all write ends of its standard output are gone.
func endBomb(t *testing.T, lines *bufio.Reader, end func() error) {
	t.Helper()
	rest := make(chan error, 1)
	go func() { _, err := lines.ReadString('\n'); rest <- err }()
	select {
	case <-rest:
		t.Fatal("the bomb has ended by itself: this test tests nothing")
	case <-time.After(time.Millisecond):
	}
	begun, ran := time.Now(), cpuTime()
	if err := end(); err != nil {
		t.Fatal(err)
	}
	t.Log("it took", time.Since(begun), "in which this process ran for", cpuTime()-ran) // the rest is the machine's load
	select {
	case err := <-rest:
		if err == nil {
			t.Error("the bomb wrote on")
		}
	case <-time.After(time.Until(begun.Add(oneSecond))):
		t.Error("something holds the bomb's standard output")
	}
	if d := time.Since(begun); d > oneSecond {
		t.Error("a second was promised, it took", d)
	}
}

// cpuTime is how long this process has run on all its threads.
func cpuTime() time.Duration {
	var ru syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &ru)
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

func TestLetGo(t *testing.T) {
	eachMethod(t, func(t *testing.T, g *Group, f *Forker) {
		// The daemon forks a worker after it was let go and ends; the worker is let go as well.
		fifo := t.TempDir() + "/go"
		if err := unix.Mkfifo(fifo, 0o600); err != nil {
			t.Fatal(err)
		}
		p, lines := start(t, g, f, `(setsid sh -c 'echo $$; read x <`+fifo+`; sh -c "echo \$\$; exec sleep 1000" & ' &)`)
		daemon := readLife(t, lines)
		if st, _ := p.Wait(); st.Code != 0 {
			t.Fatal(st)
		}
		pids, err := p.LetGo()
		if err != nil {
			t.Fatal(err)
		}
		if g.cg != nil && !slices.Equal(pids, []int{daemon.pid}) {
			t.Errorf("LetGo found %v, not %d", pids, daemon.pid)
		}
		if g.cg == nil && !g.tagged {
			// Only its session could tell, and the daemon has its own: the ordinary user's limit, documented at LetGo.
			testenv.Miss(t, "needs cgroups or CAP_SYS_NICE")
		}
		other, _ := start(t, g, f, `exec sleep 1000`)
		if err := os.WriteFile(fifo, []byte("\n"), 0); err != nil {
			t.Fatal(err)
		}
		worker := readLife(t, lines)
		if !daemon.ends(bound) {
			t.Fatal("the daemon did not end")
		}
		if err := p.KillTree(); err != nil {
			t.Error(err)
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		other.Wait()
		if !worker.alive() {
			t.Error("Close ended what was let go")
		}
		again := newTestGroup(t, Options{NoCgroup: g.cg == nil})
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
		if !worker.alive() {
			t.Error("another group's Close ended what was let go")
		}
	})
}

// The reaper removes a folder as soon as it is empty, also under the hands of who empties it.
func TestLetGoBesideTheReaper(t *testing.T) {
	g, f := newTestGroup(t, Options{}), newTestForker(t)
	if g.cg == nil {
		testenv.Miss(t, g.Method())
	}
	var reaper sync.WaitGroup
	defer reaper.Wait()
	stop := make(chan struct{})
	defer close(stop)
	reaper.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				children.dropEmpty()
			}
		}
	})
	for range 100 {
		p, lines := start(t, g, f, escapee+"exit 0")
		daemon := readLife(t, lines)
		if st, err := p.Wait(); st.Code != 0 || err != nil {
			t.Fatal(st, err)
		}
		if pids, err := p.LetGo(); !slices.Equal(pids, []int{daemon.pid}) || err != nil {
			t.Errorf("LetGo found %v, not %d: %v", pids, daemon.pid, err)
		}
	}
}

func TestLetGoOfTheRunning(t *testing.T) {
	g := newTestGroup(t, Options{})
	p, _ := start(t, g, newTestForker(t), `exec sleep 1000`)
	if _, err := p.LetGo(); err != unix.EBUSY {
		t.Errorf("LetGo while it runs: %v", err)
	}
}

// A helper that is killed itself takes its direct children along.
func TestHelperKilled(t *testing.T) {
	for _, name := range []string{"cgroup", "walk"} {
		t.Run(name, func(t *testing.T) {
			dir, child := killedHelper(t, name, `echo $$; exec sleep 1000`)
			if !child.ends(oneSecond) {
				t.Error("the command survived its helper")
			}
			if dir != "" {
				if err := removeCgroup(filepath.Dir(dir)); err != nil { // no other helper of this name comes to sweep
					t.Error(err)
				}
			}
		})
	}
}

// killedHelper starts a helper with a command that writes its pid, kills the helper and returns the command, and where
// its cgroup was.
func killedHelper(t *testing.T, name, script string) (string, life) {
	t.Helper()
	cmd := testenv.Child(t, "helper", name, script)
	lines := pipeLines(t, cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	child := readLife(t, lines)
	own, err := os.ReadFile("/proc/" + itoa(child.pid) + "/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	dir, _ := findCgroup(string(mounts), string(own))
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if !strings.Contains(string(own), name) { // not dir, whose mount has that word too
		return "", child
	}
	return dir, child
}
