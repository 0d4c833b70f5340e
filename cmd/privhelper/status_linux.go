package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/privhelper/privhelper/internal/mask"
	"github.com/privhelper/privhelper/privsep/confine"
)

// status is `privhelper status`: what the kernel knows of each running helper that is this program, for whom it lets look.
// Counters and what waits are the helper's own to say, and only its client can ask it (client.Client's Stats); those of a
// service it tells root too (--control).
func status(args []string) int {
	f, err := parseFlags(args, "--json --openmetrics --control")
	if err != nil {
		return fail(exitNoCommand, "status: %v", err)
	}
	if len(f.args) > 0 || f.json && f.openMetrics {
		return fail(exitNoCommand, "status: takes --json or --openmetrics, and no command")
	}
	if f.control != "" {
		return serviceStatus(f)
	}
	helpers, err := findHelpers()
	if err != nil {
		return fail(exitBadConfig, "status: %v", err)
	}
	switch {
	case f.json:
		_, err = os.Stdout.Write(helpersJSON(helpers))
	case f.openMetrics:
		_, err = os.Stdout.WriteString(helpersOpenMetrics(helpers))
	default:
		err = printHelpers(os.Stdout, helpers)
	}
	if err != nil {
		return fail(exitBadConfig, "status: %v", err)
	}
	return 0
}

// A helper is one process that serves a client, or a service's processes that do.
type helper struct {
	pid          int
	args         []string // from its subcommand on
	uid          uint32
	age          time.Duration
	capabilities string
	commands     []child
	locks        []string // files that it holds locked
}

// A child is a process that a helper has started, or inherited from a command that has ended.
type child struct {
	pid  int
	args []string // without secrets
	age  time.Duration
}

// serving are the subcommands whose processes are helpers.
var serving = []string{"daemon", "rootwrap-daemon", "serve"}

// A process is one of /proc, by its pid, until another has that.
type process struct {
	pid, parent int
	age         time.Duration
}

func findHelpers() ([]helper, error) {
	own, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	processes, err := readProcesses()
	if err != nil {
		return nil, err
	}
	var all []helper
	for _, p := range processes {
		exe, err := os.Readlink(procFile(p.pid, "exe"))
		args := readArgs(p.pid)
		if err != nil || strings.TrimSuffix(exe, " (deleted)") != own || len(args) < 2 || !slices.Contains(serving, args[1]) && !strings.HasSuffix(args[0], "-rootwrap-daemon") {
			continue
		}
		st, err := confine.ReadStatus(p.pid, 0)
		if err != nil {
			continue // it has ended
		}
		h := helper{pid: p.pid, args: mask.Masker{}.Args(args)[1:], uid: st.UID.Effective, age: p.age, capabilities: st.Permitted.String(), locks: heldLocks(p.pid)}
		for _, c := range processes {
			if c.parent == p.pid {
				h.commands = append(h.commands, child{c.pid, mask.Masker{}.Args(readArgs(c.pid)), c.age})
			}
		}
		all = append(all, h)
	}
	return all, nil
}

func procFile(pid int, name string) string { return filepath.Join("/proc", strconv.Itoa(pid), name) }

// tick is the unit of times in /proc/PID/stat: the kernel's USER_HZ is 100, on every architecture that Go knows.
const tick = time.Second / 100

// readProcesses lists those that there are, in the order of their pids.
func readProcesses() ([]process, error) {
	names, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return nil, err
	}
	up, _, _ := strings.Cut(string(text), " ")
	uptime, err := time.ParseDuration(up + "s")
	if err != nil {
		return nil, err
	}
	var all []process
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:])) // a program's name may hold a )
		if err != nil || len(fields) < 20 || fields[0] == "Z" {
			continue
		}
		parent, err1 := strconv.Atoi(fields[1])
		start, err2 := strconv.ParseInt(fields[19], 10, 64)
		if err1 == nil && err2 == nil {
			all = append(all, process{pid, parent, max(0, uptime-time.Duration(start)*tick)})
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].pid < all[j].pid })
	return all, nil
}

func readArgs(pid int) []string {
	text, err := os.ReadFile(procFile(pid, "cmdline"))
	if err != nil || len(text) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
}

// heldLocks are the files that a process has locked by flock(2) or fcntl(2), as its descriptors say. A folder is none of a
// policy's locks: it is the mark of the helper's cgroup.
func heldLocks(pid int) []string {
	infos, _ := filepath.Glob(procFile(pid, "fdinfo/[0-9]*"))
	var files []string
	for _, info := range infos {
		text, err := os.ReadFile(info)
		if err != nil || !strings.Contains(string(text), "\nlock:") {
			continue
		}
		fd := procFile(pid, "fd/"+filepath.Base(info))
		if st, err := os.Stat(fd); err != nil || !st.Mode().IsRegular() {
			continue
		}
		if path, err := os.Readlink(fd); err == nil && !slices.Contains(files, path) {
			files = append(files, path)
		}
	}
	return files
}
