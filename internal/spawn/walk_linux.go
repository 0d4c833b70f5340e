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
}

// look returns all living members, parents first.
func (w walk) look() (out []procStat) {
	w.visit(func(s procStat) { out = append(out, s) })
	return out
}

// visit calls do for every living member as soon as it is found, before its children are listed: a process that forks
// and ends at once is gone when a whole list has been made.
func (w walk) visit(do func(procStat)) {
	children := w.list()
	pids := children(os.Getpid())
	for i, first := 0, len(pids); i < len(pids); i++ {
		s, err := readStat(pids[i])
		if err != nil || i < first && !w.member(s) {
			continue
		}
		if !s.dead() {
			do(s)
		}
		pids = append(pids, children(s.pid)...)
	}
}

// end stops the members until no new one appears, kills them, and does so again until two looks in a row find none: a
// process whose parent ends between the reading of two lists may be in neither. Killing without stopping loses against
// a fork bomb. Orphans are reaped in between, or they fill the limit on processes.
func (w walk) end(deadline time.Time) error {
	refused := map[identity]error{}
	for clean := 0; clean < 2; {
		if time.Now().After(deadline) { // or a look that was not taken would pass for one that found nothing
			return fmt.Errorf("processes may remain: %w", os.ErrDeadlineExceeded)
		}
		found := w.signalAll(unix.SIGSTOP, deadline, refused)
		if found == 0 {
			clean++
			children.reapSome()
			continue
		}
		clean = 0
		w.signalOnce(unix.SIGKILL, map[identity]bool{}, refused)
		children.reapSome()
		time.Sleep(100 * time.Microsecond) // to die takes a moment
	}
	var errs []error
	for id, err := range refused {
		errs = append(errs, fmt.Errorf("process %d: %w", id.pid, err))
	}
	return errors.Join(errs...)
}

// signalAll sends sig until no new member appears, and returns how many it reached.
func (w walk) signalAll(sig unix.Signal, deadline time.Time, refused map[identity]error) int {
	seen := map[identity]bool{}
	for time.Now().Before(deadline) {
		if w.signalOnce(sig, seen, refused) == 0 {
			break
		}
		children.reapSome()
	}
	return len(seen)
}

// signalOnce sends sig to every member that is neither in seen nor in refused, adds it there, and returns how many it
// reached.
func (w walk) signalOnce(sig unix.Signal, seen map[identity]bool, refused map[identity]error) (reached int) {
	w.visit(func(s procStat) {
		id := identity{s.pid, s.start}
		if seen[id] || refused[id] != nil {
			return
		}
		switch err := signalExactly(id, sig); {
		case err == nil:
			seen[id] = true
			reached++
		case err != unix.ESRCH:
			refused[id] = err
		}
	})
	return reached
}

// signalExactly signals the process and none that got its number since: the pidfd is opened first and checked then.
//
// SIGSTOP goes to its whole process group, which the kernel does in one step that no fork can slip through. A group lies
// in one session and a session is entered by birth alone, so that all of it descends from the same command, unless the
// session is our own.
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
	if own, err := unix.Getsid(0); sig == unix.SIGSTOP && err == nil && err1 == nil && err2 == nil && sid != own {
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
