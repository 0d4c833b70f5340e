package processutils

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A mark says of a process which command it descends from. It is a soft limit on file locks (RLIMIT_LOCKS), which Linux
// has not looked at since 2.4.25: inherited over fork, setsid and exec, it stays with a daemon that has left everything
// else behind, it needs no privilege, and everybody may read it. 0 is none.
//
// A limit belongs to a process, and Go has no step between fork and exec. So a command is born with the mark that this
// process has at that moment, and gets one of its own when it has been executed. What it forked in between keeps the mark
// of birth, which commands that are started at the same time share, and what another package starts just then:
// such a process is reported and never ended. What carries the command's own mark is ended.
type mark uint64

// marks belong to the process, as its limits do.
type marks struct {
	family mark // of this process, in the upper half: random, so that no other program's are taken for ours

	mu      sync.Mutex
	issued  uint32
	forking int  // forks in flight
	birth   mark // while forking > 0
	before  unix.Rlimit
	known   sync.Once // before is
	unknown error
}

var marking = &marks{family: 1<<61 | mark(rand.Uint32N(1<<29))<<32}

// next hands a mark out. After 2^32 commands the first comes again; who carries it then is older than its command.
// m.mu is held.
func (m *marks) next() mark {
	m.issued++
	return m.family | mark(m.issued)
}

// begin is called before a fork, and end when it has returned. It returns the mark that the child is born with.
func (m *marks) begin() mark {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.forking++; m.forking > 1 {
		return m.birth
	}
	m.birth = m.next()
	m.known.Do(func() { m.unknown = unix.Prlimit(0, unix.RLIMIT_LOCKS, nil, &m.before) })
	if m.unknown != nil || unix.Prlimit(0, unix.RLIMIT_LOCKS, &unix.Rlimit{Cur: uint64(m.birth), Max: m.before.Max}, nil) != nil {
		m.birth = 0
	}
	return m.birth
}

// end gives this process its limit back, unless others fork.
func (m *marks) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.forking--; m.forking == 0 && m.birth != 0 {
		_ = unix.Prlimit(0, unix.RLIMIT_LOCKS, &m.before, nil) // it was valid when it was read
	}
}

// give gives a command a mark of its own: 0 where that is not allowed, as with a setuid program.
func (m *marks) give(pid int) mark {
	m.mu.Lock()
	own, most := m.next(), m.before.Max
	m.mu.Unlock()
	if unix.Prlimit(pid, unix.RLIMIT_LOCKS, &unix.Rlimit{Cur: uint64(own), Max: most}, nil) != nil {
		return 0
	}
	return own
}

// readMark reads the mark of a process, that of another user from /proc.
func readMark(pid int) mark {
	var limit unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_LOCKS, nil, &limit); err != unix.EPERM {
		return mark(limit.Cur)
	}
	text, _ := readWhole("/proc/" + strconv.Itoa(pid) + "/limits")
	_, rest, _ := strings.Cut(string(text), "\nMax file locks ")
	soft, _, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
	n, _ := strconv.ParseUint(soft, 10, 64) // "unlimited" is none
	return mark(n)
}

// shortRun is a time in which a machine does not hand out all process numbers.
const shortRun = time.Second

// madeSince lists the processes that may have been made after pid was, so long ago: numbers are handed out in turn, and
// after a short command there are few, alive or not. To list all that live costs 0.1 ms for each hundred.
func madeSince(pid int, ago time.Duration) (list []int) {
	if ago > shortRun {
		return pids()
	}
	text, err := readWhole("/proc/sys/kernel/ns_last_pid") // CONFIG_CHECKPOINT_RESTORE
	last, bad := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || bad != nil || last < pid || last-pid > 4<<10 {
		return pids()
	}
	for n := pid + 1; n <= last; n++ {
		list = append(list, n)
	}
	return list
}

// orphan reports whether a process is nobody's below this process any more, and no child of it.
func (p procStat) orphan() bool {
	for ok := true; ok && p.ppid > 1; p, ok = readStat(p.ppid) {
		if p.ppid == os.Getpid() {
			return false
		}
	}
	return true
}
