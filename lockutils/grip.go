package lockutils

import "os"

// grip is one open description of a lock file, and what it holds of it: the door to the kernel. Every method may fail
// with the kernel's own error. A grip is used by one goroutine at a time, but for recall.
type grip interface {
	// try takes the lock if that needs no waiting.
	try(shared bool) (bool, error)
	// wait takes the lock, and blocks its thread until it has. It returns errRecalled after recall: then the grip holds
	// nothing, and is to be closed.
	wait(shared bool) error
	// recall ends a wait, from another goroutine; it does nothing to a grip that does not wait.
	recall()
	// current reports whether the path still names the file that is open. It is asked while the lock is held: an older
	// holder may have removed the file.
	current() (bool, error)
	// id is the file that is open.
	id() (fileID, error)
	// duplicate is a second descriptor of the same description, for a child.
	duplicate() (*os.File, error)
	// release gives the lock back and closes.
	release() error
	// close closes without giving back what others, who have the description too, still hold.
	close() error
}

// fileID tells files apart, whatever they are called.
type fileID struct{ dev, ino uint64 }

// open opens the lock file for the Set's engine. A folder that is gone is looked for, and made, again.
func (s *Set) open(f *file, shared bool) (grip, error) {
	g, err := s.openOnce(f, shared)
	if !isNotExist(err) {
		return g, err
	}
	s.forgetFolder()
	s.mu.Lock()
	_, err = s.folder()
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return s.openOnce(f, shared)
}

func (s *Set) openOnce(f *file, shared bool) (grip, error) {
	if s.Engine == FlockOnly {
		return openFlock(f.path, s.Mode)
	}
	return openBoth(f.path, s.Mode, shared, f.in.network)
}
