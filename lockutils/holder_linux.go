package lockutils

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// holderOf asks the kernel who has a lock on the file: /proc/locks names the process that took flock(2) or a record lock
// (for an open file description lock it says -1). Where that is of no use, because the process has handed its lock on
// and is gone, it is whoever has the file open, if we may look.
func holderOf(path string) *Holder {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return nil
	}
	table, err := os.ReadFile("/proc/locks")
	if err != nil {
		return nil
	}
	pid, locked := lockOwner(string(table), uint64(st.Dev), st.Ino)
	if !locked {
		return nil
	}
	if h := process(pid); h != nil {
		return h
	}
	return opener(fileID{uint64(st.Dev), st.Ino})
}

// lockOwner finds the file in a text like /proc/locks: `1: FLOCK  ADVISORY  WRITE 4711 08:01:131090 0 EOF`, where a line
// of one who waits has `->` before its kind. pid is 0 where none is named.
func lockOwner(table string, dev, ino uint64) (pid int, locked bool) {
	file := fmt.Sprintf("%02x:%02x:%d", unix.Major(dev), unix.Minor(dev), ino)
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 6 || fields[1] == "->" || fields[1] == "LEASE" || fields[5] != file {
			continue
		}
		locked = true
		if n, err := strconv.Atoi(fields[4]); err == nil && n > 0 {
			return n, true
		}
	}
	return 0, locked
}

// process describes a process that lives; nil if it does not.
func process(pid int) *Holder {
	if pid <= 0 {
		return nil
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	return &Holder{Pid: pid, Command: commandOf(pid), Started: startOf(string(stat))}
}

// startOf reads when a process began from its /proc/PID/stat: the 22nd field, in hundredths of a second since the
// machine started (proc_pid_stat(5); USER_HZ is 100 on every architecture that Go knows).
func startOf(stat string) time.Time {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return time.Time{}
	}
	ticks, err := strconv.ParseInt(fields[19], 10, 64)
	if err != nil {
		return time.Time{}
	}
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &up); err != nil {
		return time.Time{}
	}
	return time.Now().Add(time.Duration(ticks)*10*time.Millisecond - time.Duration(up.Nano()))
}

// commandOf returns a process's command line, of which control characters and all after 120 bytes are left out: it goes
// into errors and logs.
func commandOf(pid int) string {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	line = bytes.TrimRight(line, "\x00")
	line = line[:min(len(line), 120)]
	return strings.Map(func(r rune) rune {
		switch {
		case r == 0:
			return ' '
		case r < ' ', r == 0x7f, r == '\uFFFD':
			return '?'
		}
		return r
	}, string(line))
}

// opener finds a process other than this one that has the file open.
func opener(file fileID) *Holder {
	links, err := filepath.Glob("/proc/[0-9]*/fd/[0-9]*")
	if err != nil {
		return nil
	}
	for _, link := range links {
		var st unix.Stat_t
		if unix.Stat(link, &st) != nil || (fileID{uint64(st.Dev), st.Ino}) != file {
			continue
		}
		pid, err := strconv.Atoi(strings.Split(link, "/")[2])
		if err == nil && pid != os.Getpid() {
			return process(pid)
		}
	}
	return nil
}
