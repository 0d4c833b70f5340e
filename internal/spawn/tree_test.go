//go:build linux

package spawn

import (
	"errors"
	"os"
	"strings"
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
		if d := time.Since(begun); d > bound {
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

// 20 chains in which every process forks the next and ends at once: a list of processes is outdated when it is read.
func TestCloseEndsForkBomb(t *testing.T) {
	for name, bomb := range map[string]string{
		"chains":   `m() { m & }; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do m; done; echo; exec sleep 1000`,
		"sessions": `for i in 1 2 3 4 5; do setsid sh -c 'm() { m & }; m' & done; echo; exec sleep 1000`,
		"tree":     `m() { [ $1 = 0 ] || { m $(($1-1)) & m $(($1-1)) & }; sleep 1000; }; m 7 & echo; exec sleep 1000`,
	} {
		t.Run(name, func(t *testing.T) {
			eachMethod(t, func(t *testing.T, g *Group, f *Forker) {
				_, lines := start(t, g, f, bomb)
				if _, err := lines.ReadString('\n'); err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				if err := g.Close(); err != nil {
					t.Fatal(err)
				}
				// Under a second on a machine that is not loaded; tests share theirs.
				if d := time.Since(begun); d > bound {
					t.Errorf("Close took %v", d)
				} else {
					t.Log("Close took", d)
				}
				// All write ends of the pipe are gone, so all that came from the command is.
				rest := make(chan error, 1)
				go func() { _, err := lines.ReadString('\n'); rest <- err }()
				select {
				case err := <-rest:
					if err == nil {
						t.Error("the bomb wrote on")
					}
				case <-time.After(bound):
					t.Error("something holds the bomb's standard output")
				}
			})
		})
	}
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
		if err := p.LetGo(); err != nil {
			t.Fatal(err)
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

func TestLetGoOfTheRunning(t *testing.T) {
	g := newTestGroup(t, Options{})
	p, _ := start(t, g, newTestForker(t), `exec sleep 1000`)
	if err := p.LetGo(); err != unix.EBUSY {
		t.Errorf("LetGo while it runs: %v", err)
	}
}

// A helper that is killed itself takes its direct children along.
func TestHelperKilled(t *testing.T) {
	for _, name := range []string{"cgroup", "walk"} {
		t.Run(name, func(t *testing.T) {
			_, child := killedHelper(t, name, `echo $$; exec sleep 1000`)
			if !child.ends(bound) {
				t.Error("the command survived its helper")
			}
		})
	}
}

// What escaped from a killed helper is swept by the next of the same name, and a living helper's is not.
func TestSweep(t *testing.T) {
	if g := newTestGroup(t, Options{}); g.cg == nil {
		testenv.Miss(t, g.Method())
	}
	dir, child := killedHelper(t, "privhelper-sweep", `exec 3<&1; `+escapee)
	if !child.alive() {
		t.Fatal("the daemon ended with its helper")
	}
	newTestGroup(t, Options{Name: "privhelper-other"})
	if !child.alive() {
		t.Fatal("a helper of another name swept it")
	}
	living := newTestGroup(t, Options{Name: "privhelper-sweep"})
	if !child.ends(bound) {
		t.Error("the daemon survived the sweep")
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error(dir, "remains")
	}
	p, _ := start(t, living, newTestForker(t), `exec sleep 1000`)
	newTestGroup(t, Options{Name: "privhelper-sweep"})
	if !watch(t, p.Pid).alive() {
		t.Error("the sweep ended a living helper's command")
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
	if !strings.Contains(dir, name) {
		return "", child
	}
	return dir, child
}
