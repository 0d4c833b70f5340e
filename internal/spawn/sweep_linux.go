package spawn

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// sweepTime is how long a start waits for the end of what others left: it has a client of its own that waits.
const sweepTime = time.Second

// sweepCgroups ends what helpers of the same name left that were themselves killed, and removes their folders. One that
// ended in order may leave its empty folder too, where it could no longer remove it (cgroup.close). A folder that
// somebody holds is a living helper's.
//
// It does what it can: a folder that stays is no reason not to start.
func sweepCgroups(parent, name string) {
	// Not filepath.Glob: systemd writes "-" in the name of a unit as "\x2d".
	list, _ := os.ReadDir(parent)
	deadline := time.Now().Add(sweepTime)
	for _, e := range list {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), name+".") {
			continue
		}
		path := parent + "/" + e.Name()
		held, err := os.Open(path)
		if err != nil {
			continue
		}
		if unix.Flock(int(held.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil && isAt(held, path) {
			if endCgroup(path, deadline) == nil {
				_ = removeCgroup(path)
			}
		}
		held.Close()
	}
}
