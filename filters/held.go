package filters

import "fmt"

// A File is an argument of a Verdict that the command is to get as an open file, so that nobody can put another in its
// place: in argv[Arg] the bytes from Offset on become /proc/self/fd/N, where N is the descriptor that it gets.
type File struct {
	Arg    int
	Offset int
	Held   Held
}

// Held is what a Machine holds open: an *os.File. The Verdict's Close closes it.
type Held interface {
	Fd() uintptr
	Close() error
}

// A file is a File that is to be opened when nothing else can fail.
type file struct {
	File
	dir, path string
}

// open holds the files of a match.
func (q *query) open(v *Verdict) error {
	for _, f := range q.files {
		held, err := q.machine.Open(f.dir, f.path)
		if err != nil {
			return fmt.Errorf("argument %d, %q, cannot be held open: %w", f.Arg, v.Argv[f.Arg], err)
		}
		f.Held = held
		v.Files = append(v.Files, f.File)
	}
	return nil
}
