package lockutils

import "slices"

// A call says by its ctx which locks it holds: those in its chain. A claim that waits therefore says who cannot go on,
// and a lock whose holders cannot go on until the caller does would never be free. Only the newest wait can close such
// a circle, so it is looked for once, before a claim queues.

// cycle returns the names on the circle that c's waiting would close, or nil. A holder that is in the file already is a
// circle of one. Waiting for another process is not seen. The caller holds mu.
func (c *claim) cycle() []string {
	if c.chain == nil {
		return nil
	}
	return c.circle(c.file, c.name, map[*file]bool{})
}

func (c *claim) circle(f *file, name string, seen map[*file]bool) []string {
	if seen[f] {
		return nil
	}
	seen[f] = true
	for _, holder := range f.claims {
		if holder.since.IsZero() {
			continue
		}
		if c.chain.holds(holder) {
			return []string{name}
		}
		for _, waiting := range holder.dependents {
			if rest := c.circle(waiting.file, waiting.name, seen); rest != nil {
				return append([]string{name}, rest...)
			}
		}
	}
	return nil
}

func (l *chain) holds(c *claim) bool {
	for ; l != nil; l = l.up {
		if l.held.claim == c {
			return true
		}
	}
	return false
}

// depend records that the holders in c's chain wait for c. The caller holds mu.
func (c *claim) depend() {
	for l := c.chain; l != nil; l = l.up {
		if h := l.held.claim; h != nil && h.set == c.set {
			h.dependents = append(h.dependents, c)
		}
	}
}

// stopDepending undoes depend. The caller holds mu.
func (c *claim) stopDepending() {
	for l := c.chain; l != nil; l = l.up {
		if h := l.held.claim; h != nil && h.set == c.set {
			h.dependents = slices.DeleteFunc(h.dependents, func(other *claim) bool { return other == c })
		}
	}
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
