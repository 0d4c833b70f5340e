package processutils

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// reach is what a Scope reaches. The main process is not reaped as long as it is used, so that its number, and that of its
// session and group, is nobody else's.
type reach interface {
	ask(sig syscall.Signal)
	gone() bool // nothing of it runs, the main process aside
	kill(until time.Time)
	left() []int    // what ran when gone was last asked, the main process aside
	release() []int // once the main process is dead: what was let go
}

// newReach is for a command that leads a session, or not.
func (r *running) newReach(session bool) reach {
	c, main := &r.a.cmd, r.process
	switch c.Stop.Scope {
	case ScopeProcess:
		return onlyProcess{main}
	case ScopeGroup:
		return &members{main: main.pid, own: true}
	}
	m := &members{
		main: main.pid, own: !c.KeepTerminal, session: session, tree: true,
		known: map[identity]bool{}, mark: r.mark, birth: r.birth,
	}
	if m.mark != 0 || m.birth != 0 {
		m.since = newSince(main.pid, r.a.began)
	}
	return m
}

// onlyProcess is ScopeProcess.
type onlyProcess struct{ main *process }

func (o onlyProcess) ask(sig syscall.Signal) { o.main.whole.Signal(sig) }
func (o onlyProcess) gone() bool             { return true }
func (o onlyProcess) kill(time.Time)         { o.main.whole.Kill() }
func (o onlyProcess) left() []int            { return nil }
func (o onlyProcess) release() []int         { return nil }

// members are processes found by looking: ScopeTree and ScopeGroup.
type members struct {
	main    int
	own     bool              // main leads a group of its own
	session bool              // and a session
	tree    bool              // descendants too
	known   map[identity]bool // of the tree: found before; what led to them may be gone
	last    []int             // for left
	mark    mark              // of the tree, and of nothing else
	birth   birth             // of all the tree, and perhaps of others
	since   *since            // nil where there is neither
}

// look returns the living members that can be found from main and from known; with all, those too that have only their
// group, session or mark in common with it. Of each process of the machine that asks no more than three system calls, and
// where thousands come and go it is slow all the same. visit is called for each before its children are listed.
func (m *members) look(all bool, visit func(procStat)) (alive []procStat) {
	found := map[int]bool{m.main: true}
	list := []int{m.main}
	add := func(pid int) {
		if pid != os.Getpid() && !found[pid] {
			found[pid] = true
			list = append(list, pid)
		}
	}
	if all {
		for _, pid := range pids() {
			if m.has(pid) {
				add(pid)
			}
		}
	}
	for id := range m.known {
		if p, ok := readStat(id.pid); ok && p.start == id.start {
			add(id.pid)
		} else {
			delete(m.known, id)
		}
	}
	for i := 0; i < len(list); i++ { // it grows
		p, ok := readStat(list[i])
		switch {
		case !ok:
			continue
		case !p.dead():
			alive = append(alive, p)
			if visit != nil {
				visit(p)
			}
		case p.ppid == os.Getpid() && p.pid != m.main:
			// Adopted, by a program that is the first of its container or a subreaper: nobody else would reap it.
			_, _ = unix.Wait4(p.pid, nil, unix.WNOHANG, nil)
			continue
		}
		if m.tree {
			m.known[p.identity] = true
			for _, pid := range children(p) {
				add(pid)
			}
		}
	}
	return alive
}

// has reports whether a process has main's group, session or mark.
func (m *members) has(pid int) bool {
	if m.own {
		if group, err := unix.Getpgid(pid); err == nil && group == m.main {
			return true
		}
		if session, err := unix.Getsid(pid); m.session && err == nil && session == m.main {
			return true
		}
	}
	found, _ := readMark(pid)
	return found != 0 && found == m.mark
}

// ask signals the group in one step, and what is outside of it one by one.
func (m *members) ask(sig syscall.Signal) {
	alive := m.look(m.tree, nil)
	if m.own {
		_ = unix.Kill(-m.main, sig) // it fails where the group is dead already, or another user's
	}
	for _, p := range alive {
		if !m.own || p.group != m.main {
			signalExactly(p.identity, sig)
		}
	}
}

func (m *members) gone() bool {
	if m.last = m.others(false); len(m.last) == 0 {
		m.last = m.others(true)
	}
	return len(m.last) == 0
}

func (m *members) left() []int { return m.last }

// others are the living members but main.
func (m *members) others(all bool) (pids []int) {
	for _, p := range m.look(all, nil) {
		if p.pid != m.main {
			pids = append(pids, p.pid)
		}
	}
	return pids
}

// release finds the daemons of a tree, and does not touch them.
func (m *members) release() (left []int) {
	if m.since == nil {
		return nil
	}
	defer m.since.close()
	for _, pid := range m.since.list() {
		found, alive := readMark(pid)
		marked := found != 0 && found == m.mark
		born := alive && found == 0 && m.birth != 0 && readBirth(pid) == m.birth
		if pid == m.main || !marked && !born {
			continue
		}
		main, ok := readStat(m.main) // here, since most commands leave nothing behind
		p, alive := readStat(pid)
		if ok && alive && !p.dead() && p.start >= main.start && (marked || p.adopted(main.start)) {
			left = append(left, pid)
		}
	}
	return left
}

// kill stops each member before its children are listed, so that no new one appears behind the list, and kills them all
// then, until two looks find none: a process whose parent ends between the reading of two lists may be in neither. Killing
// without stopping loses against what forks faster than it is found. The group is stopped and killed in one step, which no
// fork can slip through.
func (m *members) kill(until time.Time) {
	pause := 200 * time.Microsecond // to die takes a moment
	for clean := 0; clean < 2 && time.Now().Before(until); pause = min(2*pause, 10*time.Millisecond) {
		if m.own {
			_ = unix.Kill(-m.main, unix.SIGSTOP)
		}
		reached := 0
		found := m.look(m.tree, func(p procStat) {
			if signalExactly(p.identity, unix.SIGSTOP) {
				reached++
			}
		})
		if m.own {
			_ = unix.Kill(-m.main, unix.SIGKILL)
		}
		if reached == 0 { // none, or another user's
			clean++
			continue
		}
		clean = 0
		for _, p := range found {
			signalExactly(p.identity, unix.SIGKILL)
		}
		time.Sleep(pause)
	}
}

// signalExactly signals the process and none that got its number since: the pidfd is opened first and checked then. It
// reports whether the signal was sent.
func signalExactly(id identity, sig syscall.Signal) bool {
	fd, err := unix.PidfdOpen(id.pid, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	if p, ok := readStat(id.pid); !ok || p.start != id.start {
		return false
	}
	return unix.PidfdSendSignal(fd, sig, nil, 0) == nil
}
