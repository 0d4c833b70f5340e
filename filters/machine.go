package filters

import "errors"

// ErrNotExecutable is what Machine.Executable returns where there is no program: the next folder is tried.
var ErrNotExecutable = errors.New("no such executable")

// A Machine answers what a decision must ask of the machine it runs on. The real one is in filters/host; tests and
// fuzzers make their own. Its methods are called from many goroutines at once.
type Machine interface {
	// Executable looks at one absolute path. Without trusted it asks what access(2) asks, X_OK, and returns path: a
	// folder passes. With trusted the file must be a regular one that root alone can change, as well as every folder
	// and link on the way to it, and the path without links is returned. The error is ErrNotExecutable where there is
	// no program, and says what is wrong otherwise.
	Executable(path string, trusted bool) (canonical string, err error)

	// RealPath is os.path.realpath of Python: links are resolved as far as the path exists, and a loop of links stays
	// as it is.
	RealPath(path string) string

	// Beneath resolves path, which need not exist, and returns it without links if it lies in dir or is dir.
	Beneath(dir, path string) (canonical string, err error)

	// Open holds the regular file or the folder at path, which Beneath returned for dir, without following any link: for
	// its name alone, so that the command opens it with its own rights. Anything else at path is an error.
	Open(dir, path string) (Held, error)

	// Program names the program that process pid runs as rootwrap's KillFilter finds it: by links and names. Only
	// Oslo asks.
	Program(pid int64) (path string, err error)

	// Process opens a process, so that its pid cannot come to mean another one. The caller closes it.
	Process(pid int) (Process, error)
}

// A Process is an open process: a pidfd.
type Process interface {
	// Runs returns nil if the process runs the program at path: the same file, or, in the same mount namespace, the
	// file that stood there before an upgrade. Links in path are followed.
	Runs(path string) error
	// Signal sends a signal by its number. Nothing else can have taken the process's place.
	Signal(signal int) error
	// Close gives the pidfd back.
	Close() error
}
