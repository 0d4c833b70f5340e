//go:build linux

package spawn

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
)

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

// Helpers start and end at the same time, each sweeping first: none takes another's folder, also not one that was made and
// is not yet held.
func TestSweepSparesTheLiving(t *testing.T) {
	if g := newTestGroup(t, Options{}); g.cg == nil {
		testenv.Miss(t, g.Method())
	}
	f := newTestForker(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				g, err := NewGroup(Options{Name: "privhelper-living"})
				if err != nil || g.cg == nil {
					t.Error(err, g.Method())
					return
				}
				p, err := g.Start(context.Background(), f, shell("exec sleep 1000", nil))
				if err != nil {
					t.Error(err)
				} else {
					sweepCgroups(g.cg.parent, "privhelper-living")
					select {
					case <-p.Done():
						t.Error("somebody's sweep ended a living group's command")
					default:
					}
				}
				if err := g.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	g := newTestGroup(t, Options{})
	if left, _ := filepath.Glob(g.cg.parent + "/privhelper-living.*"); len(left) != 0 {
		t.Errorf("%v remain", left)
	}
}

// What is swept, and what not. A backslash is in the name of many a unit of systemd.
func TestSweepNames(t *testing.T) {
	g := newTestGroup(t, Options{})
	if g.cg == nil {
		testenv.Miss(t, g.Method())
	}
	parent := fmt.Sprintf(`%s/privhelper-names-%d.a\x2db[x]`, g.cg.parent, os.Getpid())
	for _, dir := range []string{"", "/stale.1.2", "/stale.1.2/commands", "/stale.1.2/commands/7", "/stale-other.1.2", "/stale", "/held.1.2"} {
		if err := os.Mkdir(parent+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { removeCgroup(parent) })
	held, err := os.Open(parent + "/held.1.2")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := unix.Flock(int(held.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	sweepCgroups(parent, "stale")
	sweepCgroups(parent, "held")
	for dir, want := range map[string]bool{"/stale.1.2": false, "/stale-other.1.2": true, "/stale": true, "/held.1.2": true} {
		if _, err := os.Stat(parent + dir); (err == nil) != want {
			t.Errorf("%s remains: %v", dir, err == nil)
		}
	}
}
