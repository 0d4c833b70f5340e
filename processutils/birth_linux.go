package processutils

import (
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A birth says the same as a mark of what was forked before its command had one, and of what has lost it: sudo and su set
// all limits anew (pam_limits). It is the time slice of the thread that forks (sched_setattr(2), Linux 6.12), set for the
// fork alone and longer than the ordinary one by up to 66 µs: no program and no other thread notices, fork, setsid, exec
// and PAM hand it on, and everybody may read it. 0 is none.
//
// Sixteen bits are too few to end a process for: another program that links this package may draw the same at the same
// time. So what has the birth alone is reported, and only if it carries no mark, is younger than the command, and was
// adopted by who adopts this process's descendants.
type birth uint64

const birthSpan = 1<<16 - 1

// births are numbered through the process, as its threads are whose slice they are.
type births struct {
	ordinary uint64 // the slice of a thread that nobody changed; 0: births cannot be had
	issued   atomic.Uint32
}

// bearing looks once whether threads keep a slice. A filter of system calls (seccomp) may kill for the question where it
// forbids sched_setattr, as systemd's SystemCallFilter=~@resources does: under any filter there are no births.
var bearing = sync.OnceValue(func() *births {
	b := &births{}
	b.issued.Store(rand.Uint32())
	status, err := readWhole("/proc/self/status")
	if err != nil || !strings.Contains(string(status), "\nSeccomp:\t0\n") {
		return b
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own := slice()
	if own == 0 || !setSlice(0) {
		return b
	}
	b.ordinary = slice()
	if own != b.ordinary {
		setSlice(own)
	}
	return b
})

// begin gives the calling thread, to which its goroutine is locked, a slice for one fork. end takes it back.
func (b *births) begin() (n birth, end func()) {
	before := uint64(0)
	if b.ordinary != 0 {
		before = slice()
	}
	n = birth(b.ordinary + 1 + uint64(b.issued.Add(1)%birthSpan))
	if before == 0 || !setSlice(uint64(n)) {
		return 0, func() {}
	}
	if before == b.ordinary {
		before = 0 // so that the kernel goes on to adapt it to the number of processors
	}
	return n, func() { setSlice(before) }
}

// fair is the calling thread's scheduling, nil where that knows no slice: real-time policies.
func fair() *unix.SchedAttr {
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil || attr.Policy != unix.SCHED_NORMAL && attr.Policy != unix.SCHED_BATCH && attr.Policy != unix.SCHED_IDLE {
		return nil
	}
	return attr
}

// slice is the calling thread's in nanoseconds, 0 where it has none: before Linux 6.12 always.
func slice() uint64 {
	if attr := fair(); attr != nil {
		return attr.Runtime
	}
	return 0
}

// setSlice sets it, 0 for the ordinary one, and nothing else: somebody may have changed the nice value just now.
func setSlice(nanoseconds uint64) bool {
	attr := fair()
	if attr == nil {
		return false
	}
	attr.Runtime = nanoseconds
	return unix.SchedSetAttr(0, attr, 0) == nil
}

// readBirth reads that of a process.
func readBirth(pid int) birth {
	attr, err := unix.SchedGetAttr(pid, 0)
	if err != nil {
		return 0
	}
	return birth(attr.Runtime)
}

// adopted reports whether the parents of a process that are no older than start end at one that adopts this process's
// descendants: init, or an ancestor of this process, or itself where it is the first of its container.
func (p procStat) adopted(start uint64) bool {
	for p.ppid > 1 {
		parent, ok := readStat(p.ppid)
		if !ok { // it ended just now, or is hidden from us
			again, ok := readStat(p.pid)
			if !ok || again.ppid == p.ppid {
				return false
			}
			p = again
			continue
		}
		if parent.start < start {
			return ancestor(parent.pid)
		}
		p = parent
	}
	return true
}

// ancestor reports whether this process is, or descends from, that one.
func ancestor(pid int) bool {
	for own, ok := readStat(os.Getpid()); ok; own, ok = readStat(own.ppid) {
		if own.pid == pid {
			return true
		}
	}
	return false
}
