//go:build linux

package spawn

import (
	"os"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

// A folder goes from one command to the next only as it was made, and is no longer the first one's.
func TestFoldersAreUsedAgain(t *testing.T) {
	g, f := newTestGroup(t, Options{}), newTestForker(t)
	if g.cg == nil {
		testenv.Miss(t, g.Method())
	}
	ended := func(script string) *Process {
		p, _ := start(t, g, f, script)
		if status, err := p.Wait(); err != nil || status.Signal != 0 {
			t.Fatalf("%v, %v", status, err)
		}
		return p
	}
	first := ended("exit 0")
	second, _ := start(t, g, f, "exec sleep 1000")
	if second.folder != first.folder {
		t.Errorf("the second command has %s, the first had %s", second.folder, first.folder)
	}
	life := watch(t, second.Pid)
	if err := first.KillTree(); err != nil {
		t.Error(err)
	}
	if gone, err := first.gone(); !gone || err != nil {
		t.Errorf("the first is gone: %v, %v", gone, err)
	}
	if pids, err := first.LetGo(); len(pids) != 0 || err != nil {
		t.Errorf("of the first is left: %v, %v", pids, err)
	}
	if !life.alive() {
		t.Error("the end of an ended command was the end of another")
	}
	if err := second.KillTree(); err != nil {
		t.Error(err)
	}
	if killed := ended("exit 0"); killed.folder == second.folder { // and Linux 6.18 would end it at its birth
		t.Error("a folder that was killed is used again")
	}
	folder, err := g.takeFolder()
	if err != nil || !unused(folder) {
		t.Fatalf("a new folder: %v", err)
	}
	freeze := folder + "/cgroup.freeze"
	if err := os.WriteFile(freeze, []byte("1"), 0); err != nil || unused(folder) {
		t.Errorf("a frozen folder would be used: %v", err)
	}
	if err := os.WriteFile(freeze, []byte("0"), 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(folder+"/beneath", 0o755); err != nil || unused(folder) {
		t.Errorf("a folder with one beneath it would be used: %v", err)
	}
	if err := removeCgroup(folder); err != nil {
		t.Fatal(err)
	}
	if list := foldersOf(t, g); len(list) != len(g.spare) {
		t.Errorf("%v are there, %v are to be used again", list, g.spare)
	}
}

// foldersOf are the folders of commands that there are.
func foldersOf(t *testing.T, g *Group) (names []string) {
	t.Helper()
	list, err := os.ReadDir(g.cg.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}
