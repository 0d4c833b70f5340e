package processutils

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// cgroup is ScopeCgroup: a cgroup2 folder below the caller's own, into which the command is forked.
type cgroup struct {
	parent, path string
	folder       *os.File // open for the fork
}

// newCgroup makes the folder. Any failure is ErrNoCgroup.
func newCgroup() (*cgroup, error) {
	parent, err := ownCgroup()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoCgroup, err)
	}
	path, err := os.MkdirTemp(parent, "processutils-"+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoCgroup, err)
	}
	g := &cgroup{parent: parent, path: path}
	if g.folder, err = os.Open(path); err == nil {
		err = unix.Access(filepath.Join(path, "cgroup.kill"), unix.W_OK)
	}
	if err != nil {
		g.opened()
		g.release()
		return nil, fmt.Errorf("%w: %w", ErrNoCgroup, err)
	}
	return g, nil
}

// opened closes what only the fork needs.
func (g *cgroup) opened() {
	if g.folder != nil {
		g.folder.Close()
	}
}

// ownCgroup finds the folder of this process's own cgroup, wherever cgroup2 is mounted.
func ownCgroup() (string, error) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	_, own, found := strings.Cut("\n"+string(text), "\n0::")
	own, _, _ = strings.Cut(own, "\n")
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(mounts)) {
		before, after, _ := strings.Cut(line, " - ")
		f := strings.Fields(before)
		if !found || len(f) < 5 || !strings.HasPrefix(after, "cgroup2 ") {
			continue
		}
		root, point := f[3], f[4]
		if rest, inside := strings.CutPrefix(own, strings.TrimSuffix(root, "/")); inside {
			return filepath.Join(point, rest), nil
		}
	}
	return "", fmt.Errorf("cgroup2 is not mounted: %w", syscall.ENOENT)
}

func (g *cgroup) pids() (pids []int) {
	text, _ := os.ReadFile(filepath.Join(g.path, "cgroup.procs"))
	for f := range strings.FieldsSeq(string(text)) {
		if pid, err := strconv.Atoi(f); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// ask signals every process: a pid that is in the folder and in our eyes at once is the folder's.
func (g *cgroup) ask(sig syscall.Signal) {
	for _, pid := range g.pids() {
		if p, ok := readStat(pid); ok && g.holds(pid) {
			signalExactly(p.identity, sig)
		}
	}
}

// holds reads from the process's side that it is in the folder.
func (g *cgroup) holds(pid int) bool {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	return bytes.Contains(text, []byte("/"+filepath.Base(g.path)+"\n"))
}

func (g *cgroup) gone() bool {
	events, err := os.ReadFile(filepath.Join(g.path, "cgroup.events"))
	return err == nil && bytes.Contains(events, []byte("populated 0"))
}

func (g *cgroup) kill(until time.Time) {
	for !g.gone() && time.Now().Before(until) {
		_ = os.WriteFile(filepath.Join(g.path, "cgroup.kill"), []byte("1"), 0)
		time.Sleep(time.Millisecond)
	}
}

func (g *cgroup) left() []int { return nil } // release tells

// release moves what lives on to the parent and removes the folder.
func (g *cgroup) release() []int {
	var left []int
	for range 10 { // what forks while it is moved leaves children behind
		pids := g.pids()
		for _, pid := range pids {
			if os.WriteFile(filepath.Join(g.parent, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0) == nil {
				left = append(left, pid)
			}
		}
		if err := os.Remove(g.path); err == nil || len(pids) == 0 && os.IsNotExist(err) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	return left
}
