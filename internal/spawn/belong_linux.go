package spawn

import "golang.org/x/sys/unix"

// released is what was let go: no Close ends it, nor what descends from it. Guarded by children.mu.
type released struct {
	tags tagSet
	// Without a tag, a process is known by itself or, where the one that was let go has ended, by its session.
	processes map[identity]bool
	sessions  map[int]bool
}

func newReleased() released {
	return released{processes: map[identity]bool{}, sessions: map[int]bool{}}
}

// add lets go of what lives of a command with no tag.
func (l *released) add(living []procStat) {
	for id := range l.processes {
		if s, err := readStat(id.pid); err != nil || s.start != id.start {
			delete(l.processes, id)
		}
	}
	for _, s := range living {
		l.processes[identity{s.pid, s.start}] = true
		if sid, err := unix.Getsid(s.pid); err == nil {
			l.sessions[sid] = true
		}
	}
}

// holds reports whether a child of this process, which carries t, was let go.
func (l *released) holds(s procStat, t tag) bool {
	if l.tags.has(t) || l.processes[identity{s.pid, s.start}] {
		return true
	}
	sid, err := unix.Getsid(s.pid)
	return err == nil && l.sessions[sid]
}

// walk is one over all that came from g.
func (g *Group) walk() walk {
	return newWalk(g.list, g.memberOfGroup, func(p *Process) bool { return p.group == g })
}

// walk is one over the command and all that came from it.
func (p *Process) walk() walk {
	return newWalk(p.group.list, p.memberOfTree, func(q *Process) bool { return q == p })
}

// memberOfGroup reports whether a child of this process is a command of g or an orphan of one. An orphan of which
// nobody knows whose it is belongs to the last group that closes.
func (g *Group) memberOfGroup(s procStat) bool {
	children.mu.Lock()
	defer children.mu.Unlock()
	if p := children.mains[s.pid]; p != nil {
		return p.group == g
	}
	t := readTag(s.pid)
	if children.released.holds(s, t) || foreign(s.pid) {
		return false
	}
	for owner := range children.groups {
		if owner.tags.has(t) {
			return owner == g
		}
	}
	return len(children.groups) == 1
}

// memberOfTree reports whether a child of this process is the command or an orphan of it.
func (p *Process) memberOfTree(s procStat) bool {
	children.mu.Lock()
	defer children.mu.Unlock()
	if main := children.mains[s.pid]; main != nil {
		return main == p
	}
	if p.tag != 0 {
		return readTag(s.pid) == p.tag && !children.tags.mayBeReissued(p.seq)
	}
	// The session of the command keeps its number from being given away. Once it is another command's it has ended.
	sid, err := unix.Getsid(s.pid)
	again := children.mains[p.Pid]
	return p.session && err == nil && sid == p.Pid && (again == nil || again == p)
}

// nextTag hands a tag out to a command of g. r.mu is held.
func (r *reaper) nextTag(g *Group) (tag, uint64) {
	if r.tags.lapEnds() {
		r.countCarried()
	}
	t, seq := r.tags.take(func(t tag) bool {
		for _, p := range r.mains {
			if p.tag == t {
				return true
			}
		}
		return false
	})
	if t != 0 {
		for other := range r.groups {
			other.tags.remove(t)
		}
		g.tags.add(t)
		r.released.tags.remove(t)
	}
	return t, seq
}

// countCarried finds the tags that something alive carries. r.mu is held.
func (r *reaper) countCarried() {
	r.tags.carried = map[tag]bool{}
	everything := func(procStat) bool { return true }
	all := walk{list: findChildLister(), member: everything, others: func(int) bool { return false }, dead: map[identity]bool{}}
	for _, s := range all.look() {
		r.tags.carried[readTag(s.pid)] = true
	}
}
