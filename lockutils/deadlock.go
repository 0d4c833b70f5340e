package lockutils

import "slices"

// A call says by its ctx which locks it holds: those in its chain. So a claim that stands in line says who cannot go on,
// and for what. A circle is looked for backwards: from what the caller holds to those who wait for that, to what they
// hold, until that is the lock asked for. The chains of the calls lead from Set to Set.
//
// Whoever came into line last closes the circle. A claim looks once, after it has come into line, and only at those who
// came before: so of all on a circle it is the last that finds it, however many look at once, and the others wait on.

// A hop is one step of that way: a claim in line, and another that holds the same file.
type hop struct{ waits, holds *claim }

// circle returns the names on the circle that c closes, in the order of DeadlockError.Cycle, or nil.
func (c *claim) circle() []string {
	for c.chain != nil {
		walk := walk{last: c, seen: map[*claim]bool{}}
		if !walk.back(c.chain) {
			return nil
		}
		// No moment was seen at which all of it held, because the Sets are locked one by one. But a claim waits once, and
		// holds once: what stands at both ends of a time stood all the time.
		if !slices.ContainsFunc(walk.hops, func(h hop) bool { return !h.stands() }) {
			var names []string
			for _, h := range slices.Backward(walk.hops) {
				names = append(names, h.waits.name)
			}
			return names
		}
	}
	return nil
}

// walk looks for the file that the claim last waits for.
type walk struct {
	last *claim
	seen map[*claim]bool
	hops []hop
}

// back goes on from the locks of a chain, and leaves the hops that led to the end, if it returns true.
func (w *walk) back(l *chain) bool {
	for ; l != nil; l = l.up {
		holds := l.held.claim
		if holds == nil || w.seen[holds] {
			continue
		}
		w.seen[holds] = true
		line := holds.inLine(w.last)
		if slices.Contains(line, w.last) {
			w.hops = append(w.hops, hop{w.last, holds})
			return true
		}
		for _, waits := range line {
			w.hops = append(w.hops, hop{waits, holds})
			if w.back(waits.chain) {
				return true
			}
			w.hops = w.hops[:len(w.hops)-1]
		}
	}
	return false
}

// inLine returns who waits in line for the file that c holds, up to last.
func (c *claim) inLine(last *claim) []*claim {
	c.set.mu.Lock()
	defer c.set.mu.Unlock()
	if c.over {
		return nil
	}
	var line []*claim
	for _, other := range c.file.claims {
		if other.turn.queued && !other.queued.After(last.queued) {
			line = append(line, other)
		}
	}
	return line
}

// stands reports whether the hop is still true.
func (h hop) stands() bool {
	h.holds.set.mu.Lock()
	defer h.holds.set.mu.Unlock()
	return !h.holds.over && h.waits.turn.queued
}

// holds reports whether a call that holds l holds the file. The caller holds the mutex of the file's Set.
func (l *chain) holds(f *file) bool {
	for ; l != nil; l = l.up {
		if c := l.held.claim; c != nil && slices.Contains(f.claims, c) && !c.over {
			return true
		}
	}
	return false
}

// reentry finds a lock that c's call holds by another Set: it is the same file, whatever it is called there.
func (s *Set) reentry(c *claim, g grip) error {
	if c.chain == nil {
		return nil
	}
	wanted, err := g.id()
	if err != nil {
		return err
	}
	for l := c.chain; l != nil; l = l.up {
		h := l.held.claim
		if h == nil || h.grip == nil || l.held.unlocked.Load() {
			continue
		}
		if held, err := h.grip.id(); err == nil && held == wanted && !(h.turn.shared && c.turn.shared) {
			return &DeadlockError{Name: c.name, Cycle: []string{c.name}}
		}
	}
	return nil
}
