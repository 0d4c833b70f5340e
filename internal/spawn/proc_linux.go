package spawn

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// procStat is what /proc/PID/stat says of one process. The pair of pid and start is a process for good; a pid alone is
// not (polkit, CVE-2019-6133).
type procStat struct {
	pid, ppid int
	start     uint64 // clock ticks since boot
	state     byte   // R, S, D, T, Z …
	threads   int
}

// dead reports whether nothing of the process runs any more. A first thread that ended before the others shows Z as well,
// and its process can still fork.
func (s procStat) dead() bool { return (s.state == 'Z' && s.threads <= 1) || s.state == 'X' }

// readStat reads /proc/PID/stat. An error means that there is no such process.
func readStat(pid int) (procStat, error) {
	b, err := readProc("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return procStat{}, err
	}
	return parseStat(pid, b)
}

// readProc reads a line of /proc in three system calls; os.ReadFile takes five, and a walk reads thousands. A read that a signal
// interrupts, or that gives a part, is no line: taken for one, its process would be waited for for ever.
func readProc(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	b := make([]byte, 0, 1024)
	for len(b) < cap(b) {
		n, err := unix.Read(fd, b[len(b):cap(b)])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil || n == 0:
			return b, err
		}
		if b = b[:len(b)+n]; b[len(b)-1] == '\n' {
			return b, nil
		}
	}
	return b, nil
}

// parseStat decodes the line. The second field is the program's name in parentheses, chosen by the program: it may hold
// blanks and parentheses, so what counts begins after the last one.
func parseStat(pid int, b []byte) (procStat, error) {
	s := procStat{pid: pid}
	end := bytes.LastIndexByte(b, ')')
	f := strings.Fields(string(b[end+1:]))
	if end < 0 || len(f) < 20 || len(f[0]) != 1 {
		return s, fmt.Errorf("/proc/%d/stat: %w", pid, syscall.EINVAL)
	}
	var err1, err2, err3 error
	s.state = f[0][0]
	s.ppid, err1 = strconv.Atoi(f[1])
	s.threads, err2 = strconv.Atoi(f[17])
	s.start, err3 = strconv.ParseUint(f[19], 10, 64)
	if err1 != nil || err2 != nil || err3 != nil {
		return s, fmt.Errorf("/proc/%d/stat: %w", pid, syscall.EINVAL)
	}
	return s, nil
}

// childLister returns a function that lists the children of a process, for the time of one look at the machine.
type childLister func() func(pid, threads int) []int

// childrenByTask reads /proc/PID/task/*/children (CONFIG_PROC_CHILDREN): its cost is that of the tree alone. Of one thread
// only it does not list the threads.
func childrenByTask() func(pid, threads int) []int {
	return func(pid, threads int) (out []int) {
		dir := "/proc/" + strconv.Itoa(pid) + "/task/"
		tids := []string{strconv.Itoa(pid)}
		if threads != 1 {
			d, err := os.Open(dir)
			if err != nil {
				return nil
			}
			tids, _ = d.Readdirnames(-1)
			d.Close()
		}
		for _, tid := range tids {
			b, err := os.ReadFile(dir + tid + "/children")
			if err != nil {
				continue
			}
			for _, f := range strings.Fields(string(b)) {
				if pid, err := strconv.Atoi(f); err == nil {
					out = append(out, pid)
				}
			}
		}
		return out
	}
}

// childrenByScan reads the parent of every process of the machine.
func childrenByScan() func(pid, threads int) []int {
	children := map[int][]int{}
	d, err := os.Open("/proc")
	if err != nil {
		return func(int, int) []int { return nil }
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if s, err := readStat(pid); err == nil {
			children[s.ppid] = append(children[s.ppid], pid)
		}
	}
	return func(pid, _ int) []int { return children[pid] }
}

// findChildLister returns the cheaper way that this kernel has.
func findChildLister() childLister {
	tid := strconv.Itoa(syscall.Gettid())
	if _, err := os.Stat("/proc/self/task/" + tid + "/children"); err != nil {
		if _, err := os.Stat("/proc/thread-self/children"); err != nil {
			return childrenByScan
		}
	}
	return childrenByTask
}
