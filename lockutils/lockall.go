package lockutils

import (
	"context"
	"errors"
	"slices"
	"sort"
)

// HeldAll is several locks that are held together.
type HeldAll struct {
	Locks []*Held // in the order in which they were taken

	ctx context.Context
}

// LockAll takes all the locks or none, waiting for each, in one order that all callers share whatever order they name
// them in: that of the files' names. Names of one file are taken once. Errors are those of Lock; what was taken before
// one is given back.
func (s *Set) LockAll(ctx context.Context, names ...string) (*HeldAll, error) {
	type named struct{ name, file string }
	wanted := make([]named, 0, len(names))
	for _, name := range names {
		file, err := s.Names.file(s.Prefix, name)
		if err != nil {
			return nil, err
		}
		wanted = append(wanted, named{name, file})
	}
	sort.SliceStable(wanted, func(i, j int) bool { return wanted[i].file < wanted[j].file })
	wanted = slices.CompactFunc(wanted, func(a, b named) bool { return a.file == b.file })

	all := &HeldAll{ctx: ctx}
	for _, w := range wanted {
		held, err := s.Lock(all.ctx, w.name)
		if err != nil {
			return nil, errors.Join(err, all.Unlock())
		}
		all.Locks = append(all.Locks, held)
		all.ctx = held.Context()
	}
	return all, nil
}

// Unlock gives all locks back, the last first. For each that was given back before, the error wraps ErrNotHeld.
func (a *HeldAll) Unlock() error {
	var errs []error
	for _, held := range slices.Backward(a.Locks) {
		errs = append(errs, held.Unlock())
	}
	return errors.Join(errs...)
}

// Context is Held.Context of all the locks together.
func (a *HeldAll) Context() context.Context { return a.ctx }
