package lockutils

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
)

// Set is the locks of one folder, by name. It is safe for concurrent use; its fields are set before it is used first
// and not changed after. It need not be closed. A process has one Set for a folder: two on one folder exclude each
// other, but only within one are goroutines served in the order in which they came, and A→B, B→A found out. Over Sets of
// different folders it is found out.
//
// The zero value keeps its files where OSLO_LOCK_PATH says.
type Set struct {
	// Folder holds the lock files (oslo's lock_path). Empty means what OSLO_LOCK_PATH says when the Set is first used. A
	// folder that does not exist is made, with mode 0700. It must belong to root or to this process's user.
	Folder string
	// Prefix is put before every name, so that services can share a folder.
	Prefix string
	// Names says how a name becomes a file's. Services that share locks with oslo.concurrency say Oslo.
	Names Naming
	// Mode is the mode of new lock files, whatever the umask says. Zero means 0600, less what the umask takes. Whoever can
	// write a file can lock it; whoever can read it can take its flock(2) half, and so keep everybody out.
	Mode fs.FileMode
	// SharedFolder allows a folder that others may write, as /run/lock is in Debian. Whoever can write it can remove a lock
	// file that is held, and so let a second holder in.
	SharedFolder bool
	// Engine says with whom the locks are shared.
	Engine Engine
	// Fair serves processes in the order in which they came, those that ask for it among each other; the goroutines of one
	// stand in its own line, and have one place together in that of the processes. Without it whoever is awake first gets a
	// lock that becomes free. It costs some 10 µs a lock.
	Fair bool
	// Polite leaves a lock free for a tenth of a second once in every second in which it was wanted all the time, so that
	// those who poll (oslo, fasteners, gofrs) find it free. Every process that locks hotly should say so.
	Polite bool
	// DisableProcessLocking makes the locks hold in this process alone and touches no file (oslo's
	// disable_process_locking).
	DisableProcessLocking bool
	// Logger gets a debug record for every lock taken, with the seconds waited, and given back, with the seconds held. Nil
	// logs nothing.
	Logger *slog.Logger

	mu     sync.Mutex
	found  *folder
	files  map[string]*file
	spare  *file // the last that fell out of use: the next is made of it
	widest int   // most files at once since the map was made
	bytes  Keys  // bytes of side files that a thread waits for
}

// Engine is a mechanism of the kernel, or several, by which locks are taken.
type Engine int

const (
	// Everybody takes both mechanisms of the kernel on one descriptor, so that the lock excludes oslo.concurrency,
	// fasteners, flock(1) and other Sets. On network file systems, where both are one, it takes one.
	Everybody Engine = iota
	// FlockOnly takes flock(2) alone, through github.com/gofrs/flock. It excludes flock(1) and other Sets, and no Python.
	FlockOnly
)

// folder is the folder as it was found when the Set was first used.
type folder struct {
	path    string
	network bool // both mechanisms are one there
}

// folder finds the Set's folder, makes it if need be, and judges it, once. The caller holds mu.
func (s *Set) folder() (*folder, error) {
	if s.found != nil {
		return s.found, nil
	}
	path := s.Folder
	if path == "" {
		path = os.Getenv("OSLO_LOCK_PATH")
	}
	if path == "" {
		return nil, ErrNoFolder
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("lock folder: %w", err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("lock folder: %w", err)
	}
	if err := judgeFolder(path, s.SharedFolder); err != nil {
		return nil, err
	}
	network, err := onNetwork(path)
	if err != nil {
		return nil, err
	}
	s.found = &folder{path: path, network: network}
	return s.found, nil
}

// forgetFolder makes the next use look for the folder again: it was there once, and no longer is.
func (s *Set) forgetFolder() {
	s.mu.Lock()
	s.found = nil
	s.mu.Unlock()
}
