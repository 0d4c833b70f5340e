package spawn

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// identity is a process for good: a pid alone is not.
type identity struct {
	pid   int
	start uint64
}

// walk finds and ends a set of our descendants by /proc. Everything below a child of ours is whatever that child is: an
// orphan becomes a child of ours at once, since we are the subreaper, and what a nested helper tags is below that helper.
type walk struct {
	list   childLister
	member func(child procStat) bool
	others func(child int) bool // is it a command that is no member

	dead map[identity]bool // members that an earlier look found dead
}

func newWalk(list childLister, member func(procStat) bool, whose func(*Process) bool) walk {
	others := func(pid int) bool {
		children.mu.Lock()
		defer children.mu.Unlock()
		p := children.mains[pid]
		return p != nil && !whose(p)
	}
	return walk{list: list, member: member, others: others, dead: map[identity]bool{}}
}

// look returns all living members, parents first.
func (w walk) look() (out []procStat) {
	w.visit(func(s procStat) {
		if !s.dead() {
			out = append(out, s)
		}
	})
	return out
}

// visit calls do for every member as soon as it is found, before its children are listed: a process that forks and ends at
// once is gone when a whole list has been made. It reports false where a process has ended since it was listed, which may
// have been a member and may have left a child that is in no list.
func (w walk) visit(do func(procStat)) (all bool) {
	children := w.list()
	all = true
	pids := children(os.Getpid(), 0)
	foreign := make([]bool, len(pids))
	for i, pid := range pids {
		foreign[i] = w.others(pid) // asked before it may end
	}
	for i, first := 0, len(pids); i < len(pids); i++ {
		s, err := readStat(pids[i])
		switch {
		case err != nil:
			all = all && i < first && foreign[i]
			continue
		case i < first && (foreign[i] || !w.member(s)):
			continue
		case s.dead() && !w.dead[identity{s.pid, s.start}]:
			w.dead[identity{s.pid, s.start}] = true
			all = false
		}
		do(s)
		pids = append(pids, children(s.pid, s.threads)...)
	}
	return all
}

// patience is how long a walk in which nothing was found looks again because processes end while it looks. They may be the
// links of a chain, of which it meets one long before; or other commands', which may go on for ever.
const patience = 200 * time.Millisecond

// end stops the members until no new one appears, kills them, and does so again until two looks in a row find none: a
// process whose parent ends between the reading of two lists may be in neither. Killing without stopping loses against
// a fork bomb. Orphans are reaped in between, or they fill the limit on processes.
func (w walk) end(deadline time.Time) error {
	refused := map[identity]error{}
	last := time.Now() // when a member was found
	for clean := 0; clean < 2; {
		if time.Now().After(deadline) { // or a look that was not taken would pass for one that found nothing
			return fmt.Errorf("processes may remain: %w", os.ErrDeadlineExceeded)
		}
		found, all := w.signalAll(unix.SIGSTOP, deadline, refused)
		if found == 0 {
			if all || time.Since(last) > patience {
				clean++
			} else {
				clean = 0
			}
			children.reapMany()
			continue
		}
		clean = 0
		w.signalOnce(unix.SIGKILL, map[identity]bool{}, refused)
		children.reapMany()
		time.Sleep(100 * time.Microsecond) // to die takes a moment
		last = time.Now()
	}
	var errs []error
	for id, err := range refused {
		errs = append(errs, fmt.Errorf("process %d: %w", id.pid, err))
	}
	return errors.Join(errs...)
}

// signalAll sends sig until no new member appears, and returns how many it reached, and whether the last look saw all.
func (w walk) signalAll(sig unix.Signal, deadline time.Time, refused map[identity]error) (reached int, all bool) {
	seen := map[identity]bool{}
	for time.Now().Before(deadline) {
		n, all := w.signalOnce(sig, seen, refused)
		if n == 0 {
			return len(seen), all
		}
		children.reapMany()
	}
	return len(seen), false
}

// signalOnce sends sig to every member that is neither in seen nor in refused, adds it there, and returns how many it
// reached. The group of one that has just ended gets SIGSTOP too: what it left behind is there.
func (w walk) signalOnce(sig unix.Signal, seen map[identity]bool, refused map[identity]error) (reached int, all bool) {
	all = w.visit(func(s procStat) {
		id := identity{s.pid, s.start}
		if seen[id] || refused[id] != nil || s.dead() && sig != unix.SIGSTOP {
			return
		}
		if sig == unix.SIGSTOP && s.state == 'T' { // with its group
			seen[id] = true
			reached++
			return
		}
		switch err := signalExactly(id, sig); {
		case s.dead():
		case err == nil:
			seen[id] = true
			reached++
		case err != unix.ESRCH:
			refused[id] = err
		}
	})
	return reached, all
}

// signalExactly signals the process and none that got its number since: the pidfd is opened first and checked then.
//
// Its whole process group gets the signal, which the kernel does in one step that no fork can slip through. A group lies
// in one session and a session is entered by birth alone, so that all of it descends from the same command, unless the
// session is our own. The number of a group is nobody else's while it has a member, and who is to be killed was
// stopped before.
func signalExactly(id identity, sig unix.Signal) error {
	fd, err := unix.PidfdOpen(id.pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	sid, err1 := unix.Getsid(id.pid)
	pgid, err2 := unix.Getpgid(id.pid)
	if s, err := readStat(id.pid); err != nil || s.start != id.start {
		return unix.ESRCH
	}
	if own, err := unix.Getsid(0); err == nil && err1 == nil && err2 == nil && sid != own {
		_ = unix.Kill(-pgid, sig) // those that it does not reach are found one by one
	}
	return unix.PidfdSendSignal(fd, sig, nil, 0)
}

// stopSessions stops what is in the process groups of commands that lead a session, or led one, each in one step of the
// kernel. A chain in which every process forks the next and ends outruns a walk that has to look each of them up.
func (r *reaper) stopSessions(whose func(*Process) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	stop := func(p *Process) {
		if p.session && whose(p) {
			_ = p.signal(unix.SIGSTOP) // those that it does not reach are found by the walk
		}
	}
	for _, p := range r.mains {
		stop(p)
	}
	for p := range r.left {
		stop(p)
	}
}
