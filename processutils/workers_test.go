package processutils

import (
	"runtime"
	"testing"
	"testing/fstest"
)

func TestWorkerCount(t *testing.T) {
	const (
		v2 = "38 31 0:35 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw\n"
		v1 = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
		// A container of Docker on version 1, without a cgroup namespace.
		docker = "32 31 0:29 /docker/f00 /sys/fs/cgroup/cpu ro,relatime - cgroup cgroup rw,cpu\n"
	)
	for _, c := range []struct {
		name  string
		files map[string]string
		want  int
	}{
		{"no cgroups", nil, 8},
		{"unlimited", map[string]string{"proc/self/mountinfo": v2, "proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "max 100000\n"}, 8},
		{"two and a half", map[string]string{"proc/self/mountinfo": v2, "proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "250000 100000\n"}, 3},
		{"a tenth", map[string]string{"proc/self/mountinfo": v2, "proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "10000 100000\n"}, 1},
		{"above", map[string]string{"proc/self/mountinfo": v2, "proc/self/cgroup": "0::/a/b/c\n", "sys/fs/cgroup/a/cpu.max": "200000 100000\n", "sys/fs/cgroup/a/b/c/cpu.max": "400000 100000\n"}, 2},
		{"more than there are", map[string]string{"proc/self/mountinfo": v2, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "9900000 100000\n"}, 8},
		{"version 1", map[string]string{"proc/self/mountinfo": v1, "proc/self/cgroup": "4:memory:/x\n3:cpu,cpuacct:/a\n", "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "150000\n", "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "50000\n"}, 3},
		{"version 1, none", map[string]string{"proc/self/mountinfo": v1, "proc/self/cgroup": "3:cpu,cpuacct:/a\n", "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "50000\n"}, 8},
		{"container", map[string]string{"proc/self/mountinfo": docker, "proc/self/cgroup": "3:cpu:/docker/f00\n", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, 1},
		{"elsewhere", map[string]string{"proc/self/mountinfo": docker, "proc/self/cgroup": "3:cpu:/other\n", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, 2},
		{"hybrid", map[string]string{"proc/self/mountinfo": v1 + v2, "proc/self/cgroup": "3:cpu,cpuacct:/a\n0::/b\n", "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "500000\n", "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000\n"}, 5},
		{"nonsense", map[string]string{"proc/self/mountinfo": v2 + "x\n - \n", "proc/self/cgroup": "0::/a\n\nx\n", "sys/fs/cgroup/a/cpu.max": "-5 0\n"}, 8},
	} {
		files := fstest.MapFS{}
		for name, text := range c.files {
			files[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := workerCount(files, 8); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	if n := WorkerCount(); n < 1 || n > runtime.NumCPU() {
		t.Errorf("here: %d of %d", n, runtime.NumCPU())
	}
}
