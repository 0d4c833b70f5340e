//go:build linux

package spawn

import (
	"os"
	"testing"
)

// A folder goes from one command to the next only as it was made, and is no longer the first one's.
func TestFoldersAreUsedAgain(t *testing.T) {
	g, f := newTestGroup(t, Options{}), newTestForker(t)
	if g.cg == nil {
		t.Skip(g.Method())
	}
	ended := func(script string) *Process {
		p, _ := start(t, g, f, script)
		if _, err := p.Wait(); err != nil {
			t.Fatal(err)
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
	for name, change := range map[string]func(folder string) error{
		"frozen":     func(folder string) error { return os.WriteFile(folder+"/cgroup.freeze", []byte("1"), 0) },
		"of threads": func(folder string) error { return os.WriteFile(folder+"/cgroup.type", []byte("threaded"), 0) },
		"parted":     func(folder string) error { return os.Mkdir(folder+"/beneath", 0o755) },
	} {
		p, _ := start(t, g, f, "exec sleep 1000")
		if err := change(p.folder); err != nil {
			t.Logf("%s: %v", name, err) // what cannot be done need not be found
			_ = p.KillTree()
			continue
		}
		if err := p.KillTree(); err != nil {
			t.Error(err)
		}
		if next := ended("exit 0"); next.folder == p.folder {
			t.Errorf("a folder that is %s is used again", name)
		}
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
