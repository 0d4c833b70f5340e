package spawn

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// ownCgroup returns the folder of this process's cgroup in the cgroup2 mount.
func ownCgroup() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	return findCgroup(string(mounts), string(own))
}

// findCgroup decodes proc_pid_mountinfo(5) and cgroups(7): "36 35 0:28 ROOT MOUNTPOINT OPTIONS … - TYPE SOURCE …" and
// "0::PATH".
func findCgroup(mounts, own string) (string, error) {
	var path string
	for line := range strings.Lines(own) {
		if p, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); ok {
			path = p
		}
	}
	if path == "" {
		return "", errors.New("this process is in no cgroup2")
	}
	for line := range strings.Lines(mounts) {
		mount, fstype, _ := strings.Cut(line, " - ")
		f := strings.Fields(mount)
		if len(f) < 6 || !strings.HasPrefix(fstype, "cgroup2 ") {
			continue
		}
		root := strings.TrimSuffix(f[3], "/")
		beneath, ok := strings.CutPrefix(path, root)
		if !ok || strings.Contains(path, "/..") || (beneath != "" && beneath[0] != '/') {
			continue
		}
		return filepath.Join(unmangle(f[4]), beneath), nil
	}
	return "", fmt.Errorf("no cgroup2 mount shows the cgroup %s of this process", path)
}

// unmangle undoes what the kernel does to paths in mountinfo (fs/proc_namespace.c, mangle). The backslash comes last: one
// that is back could be read as the beginning of another of these.
func unmangle(path string) string {
	path = strings.ReplaceAll(path, `\040`, " ")
	path = strings.ReplaceAll(path, `\011`, "\t")
	path = strings.ReplaceAll(path, `\012`, "\n")
	return strings.ReplaceAll(path, `\134`, `\`)
}

// bornInCgroups says why no child can be forked into a cgroup: only clone3(2) can do that, and its arguments lie where seccomp
// cannot look, so that filters against other uses of it forbid it as a whole (RestrictNamespaces= of systemd, older container
// engines). Without arguments it is refused by the kernel itself, with EINVAL.
func bornInCgroups() error {
	_, _, errno := unix.RawSyscall(unix.SYS_CLONE3, 0, 0, 0)
	if errno != unix.EINVAL {
		return fmt.Errorf("clone3(2) is forbidden here, by a seccomp filter (systemd: RestrictNamespaces=): %w", errno)
	}
	return nil
}
