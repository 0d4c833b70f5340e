package processutils

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// identity is a process for good: a pid alone is not (polkit, CVE-2019-6133).
type identity struct {
	pid   int
	start uint64 // clock ticks since boot
}

// procStat is what /proc/PID/stat says of a process.
type procStat struct {
	identity
	ppid, group, session int
	state                byte
	threads              int
}

// dead reports whether nothing of the process runs any more. A first thread that ended before the others shows Z as well.
func (p procStat) dead() bool { return p.state == 'Z' && p.threads <= 1 || p.state == 'X' }

// pids lists all processes that can be seen.
func pids() (all []int) {
	names, _ := readNames("/proc")
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			all = append(all, pid)
		}
	}
	return all
}

// children lists the children of a process by /proc/PID/task/*/children, which every distribution's kernel has
// (CONFIG_PROC_CHILDREN); by the parent of every process where it is not there. Most have one thread.
func children(p procStat) (out []int) {
	pid := strconv.Itoa(p.pid)
	threads := []string{pid}
	if p.threads > 1 {
		threads, _ = readNames("/proc/" + pid + "/task")
	}
	missing := false
	for _, thread := range threads {
		text, err := readWhole("/proc/" + pid + "/task/" + thread + "/children")
		missing = missing || err == unix.ENOENT
		for f := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(f); err == nil {
				out = append(out, child)
			}
		}
	}
	if missing && !childrenKnown() {
		for _, other := range pids() {
			if q, ok := readStat(other); ok && q.ppid == p.pid {
				out = append(out, other)
			}
		}
	}
	return out
}

// childrenKnown reports whether the kernel tells the children of a thread, this one here.
func childrenKnown() bool {
	return unix.Access("/proc/thread-self/children", unix.F_OK) == nil
}

// readWhole is os.ReadFile with fewer system calls: when hundreds are looked at, that is time.
func readWhole(path string) (text []byte, err error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var buf [4 << 10]byte
	for {
		n, err := unix.Read(fd, buf[:])
		if n <= 0 {
			return text, err
		}
		text = append(text, buf[:n]...)
	}
}

func readNames(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

// readStat reads one; ok is false where there is no such process.
func readStat(pid int) (procStat, bool) {
	text, err := readWhole("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return procStat{}, false
	}
	return parseStat(pid, text)
}

// parseStat decodes the line. The second field is the program's name in parentheses, chosen by the program: what counts
// begins after the last one.
func parseStat(pid int, text []byte) (p procStat, ok bool) {
	f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(f) < 20 || len(f[0]) != 1 {
		return p, false
	}
	p.pid, p.state = pid, f[0][0]
	for _, field := range []struct {
		at int
		to *int
	}{{1, &p.ppid}, {2, &p.group}, {3, &p.session}, {17, &p.threads}} {
		n, err := strconv.Atoi(f[field.at])
		if err != nil {
			return p, false
		}
		*field.to = n
	}
	start, err := strconv.ParseUint(f[19], 10, 64)
	p.start = start
	return p, err == nil
}
