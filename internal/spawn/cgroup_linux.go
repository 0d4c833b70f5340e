package spawn

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
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
	parent string // this process's own cgroup
	top    string // the folder that is held
	path   string // where the commands' folders are: top, or in it
	held   *os.File
	out    *os.File // the parent's cgroup.procs, where what is let go returns to
}

// openCgroup makes the folder and sweeps those that helpers of the same name left behind. Its error is the reason for a walk.
func openCgroup(name string, owner *Owner) (*cgroup, error) {
	if err := bornInCgroups(); err != nil {
		return nil, err
	}
	parent, err := ownCgroup()
	if err != nil {
		return nil, err
	}
	// The right to move a process is asked of the common ancestor, which is our own cgroup (cgroups(7), Delegation).
	// Since Linux 5.16 it is asked of whoever opened the file, so that it outlives a change of user.
	out, err := os.OpenFile(parent+"/cgroup.procs", os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	sweepCgroups(parent, name)
	c := &cgroup{parent: parent, out: out}
	if err := c.open(name, owner); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *cgroup) open(name string, owner *Owner) error {
	self, err := readStat(os.Getpid())
	if err != nil {
		return err
	}
	base := fmt.Sprintf("%s/%s.%d.%d", c.parent, name, self.pid, self.start)
	c.top = base
	for n := 2; ; n++ { // a second group of this process has its own folder
		if err = c.make(); !errors.Is(err, fs.ErrExist) {
			break
		}
		c.top = base + "." + strconv.Itoa(n)
	}
	if err != nil {
		return err
	}
	c.path = c.top
	if _, err := os.Stat(c.top + "/cgroup.kill"); err != nil {
		return fmt.Errorf("no cgroup.kill (Linux 5.14): %w", err)
	}
	if owner != nil && int(owner.UID) != os.Geteuid() {
		return c.handOver(*owner)
	}
	return nil
}

// handOver makes the folder usable for a process that goes on as another user. To start a command in a folder that user
// must be able to write to the common ancestor of the folder and its own (cgroups(7), Delegation), which may not be the
// parent, where others are: so this process moves into the folder, beside its commands. The kernel takes a few
// milliseconds for that, the first time.
//
// The folder itself stays root's: nobody else may make, remove or hold one in its place.
func (c *cgroup) handOver(to Owner) error {
	c.path = c.top + "/commands"
	self := c.top + "/helper"
	for _, dir := range []string{c.path, self} {
		if err := mkdir(dir, 0o700); err != nil {
			return err
		}
	}
	for _, file := range []string{c.top + "/cgroup.procs", c.path, c.path + "/cgroup.procs", c.path + "/cgroup.kill"} {
		if err := os.Chown(file, int(to.UID), int(to.GID)); err != nil {
			return err
		}
	}
	return os.WriteFile(self+"/cgroup.procs", []byte("0"), 0)
}

// make makes and holds the folder. One that a sweep took between the two calls is made again.
func (c *cgroup) make() error {
	for {
		// Everybody may pass and only the owner may open it: a stranger who held it would keep it from being swept.
		if err := mkdir(c.top, 0o711); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		held, err := os.Open(c.top)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		if unix.Flock(int(held.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil && isAt(held, c.top) {
			c.held = held
			return nil
		}
		held.Close()
	}
}

// isAt reports whether an open folder is the one of that path: what was removed may have been made again by somebody else.
func isAt(open *os.File, path string) bool {
	a, err1 := open.Stat()
	b, err2 := os.Stat(path)
	return err1 == nil && err2 == nil && os.SameFile(a, b)
}

// mkdir makes a folder with that mode whatever the umask is: here it is still the client's.
func mkdir(path string, mode fs.FileMode) error {
	if err := os.Mkdir(path, mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// limit sets pids.max on all commands together and reports whether it could: where hierarchies are hybrid, the pids
// controller is not in cgroup2, and a unit of systemd hands it on to folders within it by Delegate= alone.
func (c *cgroup) limit(maxProcesses int) bool {
	// Only in the root, which has no type. In any other cgroup with processes of its own, as ours has, a controller of
	// this kind makes all folders beneath unfit for processes ("domain invalid", cgroup-v2.rst, Threads).
	if _, err := os.Stat(c.parent + "/cgroup.type"); errors.Is(err, fs.ErrNotExist) {
		_ = os.WriteFile(c.parent+"/cgroup.subtree_control", []byte("+pids"), 0)
	}
	if c.path != c.top {
		_ = os.WriteFile(c.top+"/cgroup.subtree_control", []byte("+pids"), 0)
	}
	return os.WriteFile(c.path+"/pids.max", []byte(strconv.Itoa(maxProcesses)), 0) == nil
}

// close gives the folder back. All in it must have ended. Where that is no longer allowed (the helper became another user
// or gave up CAP_DAC_OVERRIDE, which a cgroup2 root of mode 0555 takes), or this process is in it, the empty folder is
// left to the next sweep.
func (c *cgroup) close() error {
	c.out.Close()
	if c.held == nil {
		return nil
	}
	defer c.held.Close()
	err := removeCgroup(c.top)
	if errors.Is(err, fs.ErrPermission) || c.path != c.top {
		return nil
	}
	return err
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

// moveOut moves all that lives in a command's folder to the cgroup that this process started in, until nothing new was
// forked into it meanwhile, removes the folder and returns what it moved. A folder that is gone has nothing in it: the
// reaper removes what it finds empty, also between the opening and the reading of a file in it (ENODEV).
func (c *cgroup) moveOut(path string) (moved []procStat, err error) {
	for deadline := time.Now().Add(endTime); time.Now().Before(deadline); {
		b, err := os.ReadFile(path + "/cgroup.procs")
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
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
			_, err := c.out.WriteAt([]byte(pid), 0)
			if err != nil && !errors.Is(err, unix.ESRCH) {
				return moved, err
			}
		}
	}
	return moved, fmt.Errorf("move all out of %s: it forks faster: %w", path, os.ErrDeadlineExceeded)
}
