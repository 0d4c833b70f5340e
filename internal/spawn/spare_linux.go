package spawn

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxSpare is how many empty folders a group keeps for commands to come. A folder that is made and removed again costs a command
// 0.14 ms, of which its client waits for all.
const maxSpare = 8

// takeFolder returns a folder for one command. children.mu is held.
func (g *Group) takeFolder() (string, error) {
	if last := len(g.spare) - 1; last >= 0 {
		folder := g.spare[last]
		g.spare = g.spare[:last]
		return folder, nil
	}
	g.serial++
	folder := g.cg.path + "/" + strconv.FormatUint(g.serial, 10)
	return folder, os.Mkdir(folder, 0o755)
}

// Reserve makes a folder for the next command now, where there is none: for a helper that has time before it has a client.
func (g *Group) Reserve() error {
	children.mu.Lock()
	defer children.mu.Unlock()
	if g.cg == nil || g.closed || len(g.spare) > 0 {
		return nil
	}
	folder, err := g.takeFolder()
	if err == nil {
		g.spare = append(g.spare, folder)
	}
	return err
}

// giveFolder takes the folder of a command back, and reports whether it could: not while something lives in it. From then on it
// is not the command's. One whose command was killed may have been killed as a whole (cgroup.kill), and is not used again:
// Linux 6.18 kills whatever is forked into such a one, as it compares its number of kills with that of the parent's cgroup
// (kill_seq in cgroup_css_set_fork). children.mu is held.
func (g *Group) giveFolder(p *Process, killed bool) bool {
	if !killed && !g.closed && len(g.spare) < maxSpare && unused(p.folder) {
		g.spare = append(g.spare, p.folder)
		p.given = true
	} else {
		p.given = os.Remove(p.folder) == nil
	}
	return p.given
}

// unused reports whether a folder is as it was made: nothing lives in it, it has no folders beneath it, and nobody has frozen it
// or made it one of threads, as a command that runs as root may have.
func unused(folder string) bool {
	dir, err := unix.Open(folder, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(dir)
	var st unix.Stat_t
	if err := unix.Fstat(dir, &st); err != nil || st.Nlink != 2 {
		return false
	}
	return reads(dir, "cgroup.events", "populated 0\nfrozen 0\n") && reads(dir, "cgroup.type", "domain\n")
}

// reads reports whether that is all that a file says.
func reads(dir int, name, want string) bool {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	text := make([]byte, len(want)+1)
	n, err := unix.Read(fd, text)
	return err == nil && string(text[:n]) == want
}
