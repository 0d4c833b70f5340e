package confine

import "os"

// A Sandbox is a set of places, the only ones in which a confined thread and what is forked from it may open, execute,
// create, remove or rename files. Make one with NewSandbox; it may be used for any number of threads. It is landlock(7),
// so that no mount and no privilege is needed for it, and nothing can be given back.
//
// What it leaves free: chmod, chown, xattr, utime and stat anywhere, sockets with a path, and every descriptor that was
// open before. Signals to and abstract sockets of processes outside are refused where the kernel knows how.
type Sandbox struct {
	rules *os.File // the kernel's ruleset
}

// SandboxSupport returns nil where NewSandbox works, and why not elsewhere: read and write need Linux 6.2, before which
// truncation could not be refused (landlock's ABI 3), and landlock among the kernel's security modules (lsm=).
func SandboxSupport() error { return sandboxSupport() }

// NewSandbox makes a Sandbox of open places: folders with all that is in them, and single files. In read files may be
// opened for reading and executed, and folders listed; in write they may besides be written, created, removed and
// renamed, but no devices made. The files may be opened with O_PATH, and stay the caller's. A place is what was opened:
// what takes its name later is not in it. Close gives the Sandbox back; threads confined by it stay so.
func NewSandbox(read, write []*os.File) (*Sandbox, error) { return newSandbox(read, write) }

// Close gives the ruleset back.
func (s *Sandbox) Close() error { return s.rules.Close() }
