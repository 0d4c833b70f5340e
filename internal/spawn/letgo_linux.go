package spawn

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// LetGo leaves alone what still lives of a command whose main process has ended, as a service does that starts a daemon
// and restarts without it: Close does not end it. It is moved to the cgroup that this process started in; it stays our
// child until we end, and is reaped. Signal and KillTree do not reach it any more.
//
// It returns the processes that it found: all of them with cgroups. With tags alone it looks for none, since every command
// that leaves nothing behind would pay for the walk.
//
// While the main process runs the error is EBUSY: it would get SIGKILL with this process in any case.
func (p *Process) LetGo() (pids []int, err error) {
	p.killing.Lock()
	defer p.killing.Unlock()
	select {
	case <-p.done:
	default:
		return nil, unix.EBUSY
	}
	g := p.group
	var living []procStat
	if p.tag == 0 && p.folder == "" {
		living = p.walk().look()
	}
	if p.folder != "" && !p.isGiven() {
		moved, err := g.cg.moveOut(p.folder)
		if err != nil {
			return nil, fmt.Errorf("let go of process %d: %w", p.Pid, err)
		}
		living = append(living, moved...)
	}
	p.letGo = true
	children.mu.Lock()
	defer children.mu.Unlock()
	delete(g.folders, p.folder)
	children.dropLeft(func(q *Process) bool { return q == p })
	if p.tag == 0 {
		children.released.add(living)
	} else if !children.tags.mayBeReissued(p.seq) {
		children.released.tags.add(p.tag)
	}
	for _, s := range living {
		pids = append(pids, s.pid)
	}
	slices.Sort(pids)
	return slices.Compact(pids), nil
}
