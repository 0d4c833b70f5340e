package spawn

// forks are those that have begun and not returned. A child that ends before its fork has returned is known to nobody: the
// reaper must not take it for an orphan, or its status is lost, and fork's own wait4 after a failed exec must have no
// rival. The road not taken is a lock between the two: every fork would wait for the reaper, which waits for all other
// forks (a third of the commands a second that 64 callers get without it). Guarded by children.mu.
type forks struct {
	begun    uint64
	running  map[uint64]bool     // by number
	doubtful map[identity]uint64 // ended children, with the last fork that may have made them
}

func newForks() forks { return forks{running: map[uint64]bool{}, doubtful: map[identity]uint64{}} }

// begin numbers a fork.
func (f *forks) begin() (number uint64) {
	f.begun++
	f.running[f.begun] = true
	return f.begun
}

// returned says that a fork has, and reports whether a child was in doubt meanwhile.
func (f *forks) returned(number uint64) (doubt bool) {
	delete(f.running, number)
	return len(f.doubtful) > 0
}

// mayBe reports whether an ended child that is no known command may be the child of a fork that has not returned: until
// all forks have that had begun when the child was first seen.
func (f *forks) mayBe(pid int) bool {
	if len(f.running) == 0 {
		clear(f.doubtful)
		return false
	}
	s, err := readStat(pid)
	if err != nil {
		return true // reaped meanwhile, and the number may be another's at any time
	}
	id := identity{pid, s.start}
	last, seen := f.doubtful[id]
	if !seen {
		last = f.begun
		f.doubtful[id] = last
	}
	for number := range f.running {
		if number <= last {
			return true
		}
	}
	delete(f.doubtful, id)
	return false
}
