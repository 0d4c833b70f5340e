package spawn

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"
)

// WaitTree waits until the main process has ended and nothing that came from the command runs any more, or until ctx ends,
// whose cause it returns. What was let go counts as gone.
//
// Nothing polls: whoever is the last of a command is a child of this process, since its parents are gone, so that each
// end that is to be seen is one that the reaper sees. Without cgroups and without CAP_SYS_NICE (Group.Method) what called
// setsid is not known to be this command's, and is not waited for.
func (p *Process) WaitTree(ctx context.Context) error {
	select {
	case <-p.done: // looked at first: with a ctx that has ended it is asked how things stand
	default:
		select {
		case <-p.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	for {
		reaped := children.next()
		if gone, err := p.gone(); gone || err != nil {
			return err
		}
		select {
		case <-reaped:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// gone looks once, or for a moment where processes end while it looks.
func (p *Process) gone() (bool, error) {
	p.killing.Lock()
	defer p.killing.Unlock()
	if p.letGo {
		return true, nil
	}
	if p.isGiven() {
		return true, nil
	}
	if p.folder != "" {
		events, err := os.Open(p.folder + "/cgroup.events")
		if errors.Is(err, fs.ErrNotExist) {
			return true, nil
		} else if err != nil {
			return false, err
		}
		defer events.Close()
		populated, err := readPopulated(events)
		return !populated, err
	}
	w := p.walk()
	for begin, clean := time.Now(), 0; ; {
		living := 0
		all := w.visit(func(s procStat) {
			if !s.dead() {
				living++
			}
		})
		if living > 0 {
			return false, nil
		}
		// Two looks in a row, as end does: one whose parent ends between the reading of two lists may be in neither.
		if clean++; !all && time.Since(begin) <= patience {
			clean = 0
		}
		if clean == 2 {
			return true, nil
		}
	}
}

// isGiven reports whether the command's folder was given back: nothing lives in it, or it is another command's.
func (p *Process) isGiven() bool {
	children.mu.Lock()
	defer children.mu.Unlock()
	return p.given
}

// next returns a channel that is closed when the reaper has taken something.
func (r *reaper) next() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reaped == nil {
		r.reaped = make(chan struct{})
	}
	return r.reaped
}
