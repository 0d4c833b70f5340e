package client

import (
	"fmt"
	"os"

	"github.com/privhelper/privhelper/internal/trust"
)

// UserNamespace starts the helper as root of a user namespace of its own, without root anywhere: for demonstrations,
// tests and rootless containers. Its capabilities hold within the namespace only.
//
// Inside, the files of root and of every other user show one owner, so the helper can tell of none who may have written
// it. It obeys and executes only what Trusted names: a helper that runs commands needs their programs there, and, where
// its policy is read from files, the configuration, the folder of the policy and each file in it.
type UserNamespace struct {
	Path    string   // the helper, absolute
	Args    []string // its arguments
	Network bool     // a network namespace too, in which it may do as it likes

	// Trusted are absolute paths of files and folders. Each must belong to root or to the service's own user and be
	// writable by nobody else, with every folder and link on the way, or the helper is not started (a program may lie
	// below a sticky folder). They are opened before the namespace is entered, again for each start of a helper, and
	// it knows them by device and inode: a program that is upgraded is refused until the next start. A folder says
	// nothing of what is in it, except that the service's own files below it can be told by their owner, inside too.
	Trusted []string
}

func (u *UserNamespace) launch(log *logQueue) (*process, *os.File, error) {
	rules := trust.Rules{Owners: []uint32{uint32(os.Geteuid())}}
	var files []*os.File
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	for _, path := range u.Trusted {
		f, err := trust.Pin(path, rules)
		if err != nil {
			return nil, nil, fmt.Errorf("start root helper: UserNamespace.Trusted: %w", err)
		}
		files = append(files, f)
	}
	return start(spawnOptions{argv: append([]string{u.Path}, u.Args...), namespace: true, network: u.Network, files: files, log: log})
}
