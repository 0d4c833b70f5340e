package processutils

import (
	"math/rand/v2"

	"golang.org/x/sys/unix"
)

// A mark says of a process which command it descends from: a soft limit on file locks (RLIMIT_LOCKS), which Linux has not
// looked at since 2.4.25. It is inherited over fork, setsid and exec, so it stays with a daemon that has left everything
// else behind; it needs no privilege, and everybody may read it. 0 is none.
//
// It is given to the command when it has been executed, since Go has no step between fork and exec; this process's own
// limit never changes. What the command forked before that is known by its birth. A mark is 61 bits drawn anew for each
// command: what carries one is that command's, and is ended with it.
type mark uint64

const markBit = 1 << 61 // below RLIM_INFINITY, above every limit that a person would set

// give marks a command that this process has not reaped. The mark is 0 where that is not allowed: a setuid program is not an
// ordinary user's to change.
func give(pid int) mark {
	m := mark(rand.Uint64N(markBit) | markBit)
	var limit unix.Rlimit
	if unix.Prlimit(pid, unix.RLIMIT_LOCKS, nil, &limit) != nil {
		return 0
	}
	limit.Cur = uint64(m)
	if unix.Prlimit(pid, unix.RLIMIT_LOCKS, &limit, nil) != nil {
		return 0
	}
	return m
}

// readMark reads the mark of a process; alive is false where there is none of that number. What another user's process
// carries only root may read: 0.
func readMark(pid int) (m mark, alive bool) {
	var limit unix.Rlimit
	err := unix.Prlimit(pid, unix.RLIMIT_LOCKS, nil, &limit)
	if err == nil && limit.Cur&^(markBit-1) == markBit {
		return mark(limit.Cur), true
	}
	return 0, err != unix.ESRCH
}
