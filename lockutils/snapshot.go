package lockutils

import (
	"cmp"
	"context"
	"sort"
	"time"
)

// Use is one lock that this process holds or waits for, through one Set.
type Use struct {
	Name   string
	Path   string
	Shared bool
	Held   bool      // held, or else waited for
	Since  time.Time // of the grant, or of the call that waits
}

// Snapshot returns what is held and waited for through the Set in this process now, the oldest first.
func (s *Set) Snapshot() []Use {
	s.mu.Lock()
	defer s.mu.Unlock()
	var uses []Use
	for _, f := range s.files {
		for _, c := range f.claims {
			uses = append(uses, c.use())
		}
	}
	sort.Slice(uses, func(i, j int) bool {
		a, b := uses[i], uses[j]
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Name, b.Name)) < 0
	})
	return uses
}

// use says what a claim is. The caller holds mu.
func (c *claim) use() Use {
	u := Use{Name: c.name, Path: c.path, Shared: c.turn.shared, Held: !c.since.IsZero(), Since: c.asked}
	if u.Held {
		u.Since = c.since
	}
	return u
}

// Watch calls report once for every use of the Set in this process that lasts longer than limit, held or waited for,
// until ctx ends; then it returns. It runs in the caller's goroutine, and report is called there. It wakes once in each
// limit, and when one runs out. A limit that is not above zero is a mistake, and panics.
func (s *Set) Watch(ctx context.Context, limit time.Duration, report func(Use)) {
	if limit <= 0 {
		panic("lockutils: Watch needs a limit above zero")
	}
	type reported struct {
		claim *claim
		held  bool
	}
	var before map[reported]bool
	for {
		next := limit
		now := time.Now()
		seen := map[reported]bool{}
		var overdue []Use
		s.mu.Lock()
		for _, f := range s.files {
			for _, c := range f.claims {
				use := c.use()
				left := limit - now.Sub(use.Since)
				if left > 0 {
					next = min(next, left)
					continue
				}
				key := reported{c, use.Held}
				seen[key] = true
				if !before[key] {
					overdue = append(overdue, use)
				}
			}
		}
		s.mu.Unlock()
		before = seen
		for _, use := range overdue {
			report(use)
		}
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}
