package lockutils

import "slices"

// file is one lock file as this process uses it: who is in line for it, and who waits for it in the kernel. Set.mu
// guards it. It exists while somebody uses it.
type file struct {
	name  string  // in the folder
	in    *folder // nil where locks hold in this process alone
	path  string
	turns turnstile
	// claims are all that is asked of the file: queued, waiting in the kernel, holding.
	claims []*claim
	// waits are the two ways to wait in the kernel: [0] exclusive, [1] shared.
	waits [2]wait
}

func (f *file) wait(shared bool) *wait {
	if shared {
		return &f.waits[1]
	}
	return &f.waits[0]
}

// file returns the state of a file, new where nobody uses it yet. The caller holds mu.
func (s *Set) file(name string) *file {
	f := s.files[name]
	if f != nil {
		return f
	}
	if f = s.spare; f == nil {
		f = &file{}
	}
	s.spare = nil
	if f.name != name || f.in != s.found {
		f.name, f.in, f.path = name, s.found, ""
		if f.in != nil {
			f.path = f.in.path + "/" + name
		}
	}
	if s.files == nil {
		s.files = map[string]*file{}
	}
	s.files[name] = f
	s.widest = max(s.widest, len(s.files))
	return f
}

// drop forgets f if nobody uses it. The caller holds mu.
func (s *Set) drop(f *file) {
	if len(f.claims) > 0 || f.waits[0].running || f.waits[1].running {
		return
	}
	delete(s.files, f.name)
	s.spare = f
	s.files, s.widest = shrink(s.files, s.widest)
}

// forget takes c out of the file's claims and passes its turn on. The caller holds mu.
func (s *Set) forget(c *claim) {
	f := c.file
	f.turns.leave(&c.turn)
	f.claims = slices.DeleteFunc(f.claims, func(other *claim) bool { return other == c })
	s.drop(f)
}
