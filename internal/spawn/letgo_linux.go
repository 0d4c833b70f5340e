package spawn

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// LetGo leaves alone what still lives of a command whose main process has ended, as a service does that starts a daemon
// and restarts without it: Close does not end it. It is moved to this process's own cgroup; it stays our child until we
// end, and is reaped. Signal and KillTree do not reach it any more.
//
// While the main process runs the error is EBUSY: it would get SIGKILL with this process in any case.
func (p *Process) LetGo() error {
	p.killing.Lock()
	defer p.killing.Unlock()
	select {
	case <-p.done:
	default:
		return unix.EBUSY
	}
	g := p.group
	living := g.walk(p.memberOfTree).look()
	if p.folder != "" {
		moved, err := g.cg.moveOut(p.folder)
		if err != nil {
			return fmt.Errorf("let go of process %d: %w", p.Pid, err)
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
		children.released.tags[p.tag] = true
	}
	return nil
}
