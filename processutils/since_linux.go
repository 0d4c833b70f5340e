package processutils

import (
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// since lists the processes that may have been made after one: numbers are handed out in turn, and after a short command
// there are few, alive or not. To list all that live costs 0.1 ms for each hundred.
type since struct {
	pid   int
	began time.Time
	last  int // the file that has the last number; opened while the command runs, when it costs nothing
}

// newSince is for a process that was made after began. CONFIG_CHECKPOINT_RESTORE, which every distribution's kernel has,
// gives the file.
func newSince(pid int, began time.Time) *since {
	fd, err := unix.Open("/proc/sys/kernel/ns_last_pid", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		fd = -1
	}
	return &since{pid, began, fd}
}

// A machine does not hand out all process numbers within shortRun, so that they began anew, and seldom more than shortList.
const (
	shortRun  = time.Second
	shortList = 4 << 10
)

func (s *since) list() (list []int) {
	var text [20]byte
	n, err := unix.Pread(s.last, text[:], 0)
	if err != nil || time.Since(s.began) > shortRun {
		return pids()
	}
	last, err := strconv.Atoi(strings.TrimSpace(string(text[:n])))
	if err != nil || last < s.pid || last-s.pid > shortList {
		return pids()
	}
	for n := s.pid + 1; n <= last; n++ {
		list = append(list, n)
	}
	return list
}

func (s *since) close() {
	if s.last >= 0 {
		unix.Close(s.last)
	}
}
