package processutils

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// WorkerCount is how many commands it makes sense to run at once: the processors that this process may use, no more than
// the bandwidth of its cgroup and of those above it allows (cgroup2's cpu.max, version 1's cpu.cfs_quota_us), rounded up;
// at least 1. oslo's get_worker_count counts the machine's, of which a container may have a small part.
func WorkerCount() int { return workerCount(os.DirFS("/"), runtime.NumCPU()) }

func workerCount(root fs.FS, cpus int) int {
	mounts, _ := fs.ReadFile(root, "proc/self/mountinfo")
	own, _ := fs.ReadFile(root, "proc/self/cgroup")
	for line := range strings.Lines(string(mounts)) {
		m, ok := parseMount(line)
		if !ok {
			continue
		}
		// "0::/path" is cgroup2, "4:cpu,cpuacct:/path" a hierarchy of version 1.
		for entry := range strings.Lines(string(own)) {
			f := strings.SplitN(strings.TrimSuffix(entry, "\n"), ":", 3)
			if len(f) != 3 || m.version2 != (f[1] == "") || !m.version2 && !slices.Contains(strings.Split(f[1], ","), "cpu") {
				continue
			}
			for folder := m.folder(f[2]); folder != ""; folder = m.above(folder) {
				cpus = min(cpus, allowance(root, folder, m.version2))
			}
		}
	}
	return max(cpus, 1)
}

// mount is where a hierarchy with the cpu controller is to be seen.
type mount struct {
	root, point string
	version2    bool
}

func parseMount(line string) (mount, bool) {
	before, after, _ := strings.Cut(line, " - ")
	f, options := strings.Fields(before), strings.Fields(after)
	if len(f) < 5 || len(options) < 3 {
		return mount{}, false
	}
	m := mount{root: f[3], point: strings.TrimPrefix(f[4], "/"), version2: options[0] == "cgroup2"}
	return m, m.version2 || options[0] == "cgroup" && slices.Contains(strings.Split(options[2], ","), "cpu")
}

// folder is where a cgroup's files are, or the mount's own where the cgroup is not below what was mounted.
func (m mount) folder(cgroup string) string {
	if rest, below := strings.CutPrefix(cgroup, strings.TrimSuffix(m.root, "/")); below {
		return path.Join(m.point, rest)
	}
	return m.point
}

func (m mount) above(folder string) string {
	if folder == m.point || !strings.HasPrefix(folder, m.point+"/") {
		return ""
	}
	return path.Dir(folder)
}

// allowance reads how many processors' worth of time a cgroup gets.
func allowance(root fs.FS, folder string, version2 bool) int {
	const unlimited = 1 << 20
	var text string
	if version2 {
		b, _ := fs.ReadFile(root, path.Join(folder, "cpu.max"))
		text = string(b)
	} else {
		quota, _ := fs.ReadFile(root, path.Join(folder, "cpu.cfs_quota_us"))
		period, _ := fs.ReadFile(root, path.Join(folder, "cpu.cfs_period_us"))
		text = fmt.Sprintf("%s %s", quota, period)
	}
	f := strings.Fields(text)
	if len(f) != 2 {
		return unlimited
	}
	quota, err1 := strconv.ParseInt(f[0], 10, 64) // "max" and -1 are no quota
	period, err2 := strconv.ParseInt(f[1], 10, 64)
	if err1 != nil || err2 != nil || quota <= 0 || period <= 0 {
		return unlimited
	}
	return int(min((quota+period-1)/period, unlimited))
}
