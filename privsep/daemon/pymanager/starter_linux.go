package pymanager

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/privsep/daemon"
)

// launchers are programs of root's that stay between the client and what they start.
var launchers = []string{"sudo", "sudo-rs", "doas"}

// findStarter says who started this process: to whom the daemon belongs, and with whom it ends. environ is as it was at
// the start.
//
// The key is written to standard output, so whoever made that pipe gets it: the kernel keeps the maker's uid with a pipe.
// The environment is asked only where that is no help, as where sudo's log_output has put a pipe of root's there, and only
// if it is sudo or doas that started us: an administrator's shell has SUDO_UID too, and what root starts from it is root's.
func findStarter(environ func(string) string) (daemon.Peer, error) {
	launched, parent := false, os.Getppid()
	var p process
	for range 16 { // sudo may have a monitor of its own below it
		var err error
		if p, err = readProcess(parent); err != nil || !slices.Contains(launchers, p.program) {
			break
		}
		launched, parent = true, p.parent
	}
	uid := uint32(os.Getuid()) // a setuid bit leaves the real one
	if os.Geteuid() == 0 {
		if maker, ok := pipeMaker(1); ok && maker != 0 {
			uid = maker
		} else if launched {
			var err error
			if uid, err = launchedBy(environ, p); err != nil {
				return daemon.Peer{}, err
			}
		}
	}
	if p.uid != uid || p.pid <= 1 {
		return daemon.Peer{UID: uid}, nil // a wrapper stands between, or it is gone already
	}
	return daemon.Peer{PID: p.pid, UID: uid, GID: p.gid}, nil
}

// launchedBy is who called sudo or doas, by sudo's word or by the process that stands above it.
func launchedBy(environ func(string) string, above process) (uint32, error) {
	text := environ("SUDO_UID")
	if text == "" {
		return above.uid, nil
	}
	uid, err := strconv.ParseUint(text, 10, 32)
	if err != nil || uid == 1<<32-1 { // sudo, CVE-2019-14287
		return 0, fmt.Errorf("SUDO_UID is %q, no uid", text)
	}
	return uint32(uid), nil
}

// pipeMaker is the owner of a pipe, who is the one that made it (pipe(7); fs/pipe.c, get_pipe_inode).
func pipeMaker(fd int) (uid uint32, ok bool) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO || !isAnonymous(fd) {
		return 0, false
	}
	return st.Uid, true
}

// isAnonymous tells a pipe from a FIFO in a folder, whose owner may be another than who opened it.
func isAnonymous(fd int) bool {
	name, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	return err == nil && strings.HasPrefix(name, "pipe:[")
}

// A process is what /proc says of one.
type process struct {
	pid, parent int
	uid, gid    uint32 // real ones
	groups      []uint32
	program     string // the base name of its executable
}

// groupsOf returns all groups of a process, for rules that name clients by group; none where it is not known.
func groupsOf(client daemon.Peer) (groups []uint32) {
	if client.PID == 0 {
		return nil
	}
	p, err := readProcess(client.PID)
	if err != nil || p.uid != client.UID {
		return nil
	}
	return append(p.groups, p.gid)
}

func readProcess(pid int) (process, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return process{}, err
	}
	numbers := map[string][]uint32{"PPid": nil, "Uid": nil, "Gid": nil, "Groups": nil}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		if _, asked := numbers[name]; !asked {
			continue
		}
		for _, word := range strings.Fields(value) {
			n, err := strconv.ParseUint(word, 10, 32)
			if err != nil {
				return process{}, fmt.Errorf("%s/status: %s: %w", dir, name, err)
			}
			numbers[name] = append(numbers[name], uint32(n))
		}
	}
	parent, uid, gid := numbers["PPid"], numbers["Uid"], numbers["Gid"]
	if len(parent) == 0 || len(uid) == 0 || len(gid) == 0 {
		return process{}, fmt.Errorf("%s/status: no PPid, Uid or Gid", dir)
	}
	p := process{pid: pid, parent: int(parent[0]), uid: uid[0], gid: gid[0], groups: numbers["Groups"]}
	if exe, err := os.Readlink(dir + "/exe"); err == nil { // not where it is another user's and we are not root
		p.program = filepath.Base(exe)
	}
	return p, nil
}
