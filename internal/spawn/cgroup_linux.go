package spawn

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cgroup is the folder of one group in cgroup2, with one folder a command in it.
//
// The folder is held by flock(2) for as long as its helper lives, and a folder that nobody holds is stale. The pid and
// the start time in its name are for people: a helper in another pid namespace may share the parent.
type cgroup struct {
	parent string // this process's own cgroup, where what is let go returns to
	path   string
	held   *os.File
}

// openCgroup makes the folder and sweeps those that helpers of the same name left behind. Its error is the reason for a walk.
func openCgroup(name string) (*cgroup, error) {
	parent, err := ownCgroup()
	if err != nil {
		return nil, err
	}
	// The right to move a process is asked of the common ancestor, which is our own cgroup (cgroups(7), Delegation).
	if err := unix.Faccessat(unix.AT_FDCWD, parent+"/cgroup.procs", unix.W_OK, unix.AT_EACCESS); err != nil {
		return nil, &fs.PathError{Op: "write", Path: parent + "/cgroup.procs", Err: err}
	}
	sweepCgroups(parent, name)
	self, err := readStat(os.Getpid())
	if err != nil {
		return nil, err
	}
	base := fmt.Sprintf("%s/%s.%d.%d", parent, name, self.pid, self.start)
	c := &cgroup{parent: parent, path: base}
	for n := 2; ; n++ { // a second group of this process has its own folder
		if err = c.make(); !errors.Is(err, fs.ErrExist) {
			break
		}
		c.path = base + "." + strconv.Itoa(n)
	}
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(c.path + "/cgroup.kill"); err != nil {
		c.close()
		return nil, fmt.Errorf("no cgroup.kill (Linux 5.14): %w", err)
	}
	return c, nil
}

// make makes and holds the folder. One that a sweep took between the two calls is made again.
func (c *cgroup) make() error {
	for {
		if err := os.Mkdir(c.path, 0o755); err != nil {
			return err
		}
		held, err := os.Open(c.path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		err = unix.Flock(int(held.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if _, gone := os.Stat(c.path + "/cgroup.procs"); err == nil && gone == nil {
			c.held = held
			return nil
		}
		held.Close()
	}
}

// limit sets pids.max on the whole group and reports whether it could: where hierarchies are hybrid, the pids controller
// is not in cgroup2.
func (c *cgroup) limit(maxProcesses int) bool {
	// Already on, or not to be had: what counts is whether pids.max is there then.
	_ = os.WriteFile(c.parent+"/cgroup.subtree_control", []byte("+pids"), 0)
	return os.WriteFile(c.path+"/pids.max", []byte(strconv.Itoa(maxProcesses)), 0) == nil
}

// close gives the folder back. All in it must have ended.
func (c *cgroup) close() error {
	defer c.held.Close()
	return removeCgroup(c.path)
}

// endCgroup kills all that is in a folder and beneath it, and returns when nothing of it runs any more.
func endCgroup(path string, deadline time.Time) error {
	events, err := os.Open(path + "/cgroup.events")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer events.Close()
	if err := os.WriteFile(path+"/cgroup.kill", []byte("1"), 0); errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return nil
	} else if err != nil {
		return err
	}
	for {
		// Read first, then poll: a change after the read wakes the poll.
		populated, err := readPopulated(events)
		if err != nil || !populated {
			return err
		}
		left := time.Until(deadline)
		if left <= 0 {
			return fmt.Errorf("end %s: processes remain after SIGKILL: %w", path, os.ErrDeadlineExceeded)
		}
		fds := []unix.PollFd{{Fd: int32(events.Fd()), Events: unix.POLLPRI}}
		if _, err := unix.Poll(fds, int(left.Milliseconds())+1); err != nil && err != unix.EINTR {
			return fmt.Errorf("poll %s: %w", events.Name(), err)
		}
	}
}

// readPopulated reports whether a living process is in the folder of events or beneath it. A folder that is gone is empty.
func readPopulated(events *os.File) (bool, error) {
	b := make([]byte, 256)
	n, err := unix.Pread(int(events.Fd()), b, 0)
	if err == unix.ENODEV {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read %s: %w", events.Name(), err)
	}
	return strings.Contains(string(b[:n]), "populated 1"), nil
}

// removeCgroup removes a folder and those beneath it. A command that runs as root may have made some.
func removeCgroup(path string) error {
	err := os.Remove(path)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	list, _ := os.ReadDir(path)
	for _, e := range list {
		if e.IsDir() {
			_ = removeCgroup(path + "/" + e.Name()) // the parent's error says it
		}
	}
	if err = os.Remove(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// sweepCgroups ends what helpers left that were themselves killed. It does what it can: a folder that stays is no reason
// not to start.
func sweepCgroups(parent, name string) {
	stale, _ := filepath.Glob(parent + "/" + name + ".*.*")
	for _, path := range stale {
		held, err := os.Open(path)
		if err != nil {
			continue
		}
		if unix.Flock(int(held.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			if endCgroup(path, time.Now().Add(endTime)) == nil {
				_ = removeCgroup(path)
			}
		}
		held.Close()
	}
}

// moveOut moves all that lives in a command's folder to our own cgroup, until nothing new was forked into it meanwhile,
// removes the folder and returns what it moved. A folder that is gone has nothing in it.
func (c *cgroup) moveOut(path string) (moved []procStat, err error) {
	for deadline := time.Now().Add(endTime); time.Now().Before(deadline); {
		b, err := os.ReadFile(path + "/cgroup.procs")
		if errors.Is(err, fs.ErrNotExist) {
			return moved, nil
		} else if err != nil {
			return moved, err
		}
		pids := strings.Fields(string(b))
		if len(pids) == 0 {
			return moved, removeCgroup(path)
		}
		for _, pid := range pids {
			n, _ := strconv.Atoi(pid)
			if s, err := readStat(n); err == nil {
				moved = append(moved, s)
			}
			err := os.WriteFile(c.parent+"/cgroup.procs", []byte(pid), 0)
			if err != nil && !errors.Is(err, unix.ESRCH) {
				return moved, err
			}
		}
	}
	return moved, fmt.Errorf("move all out of %s: it forks faster: %w", path, os.ErrDeadlineExceeded)
}

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
		point := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(f[4])
		return filepath.Join(point, beneath), nil
	}
	return "", fmt.Errorf("no cgroup2 mount shows the cgroup %s of this process", path)
}
