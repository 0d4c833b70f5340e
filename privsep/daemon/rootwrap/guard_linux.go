package rootwrap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/internal/spawn"
	"github.com/privhelper/privhelper/privsep/command"
)

// until is when a rule's timeout passes for a command that starts now; zero is never.
type until struct {
	time  time.Time
	cause error // an ErrTimeout
}

func limit(r *filters.Rule) until {
	t := r.Section.Timeout
	if t == 0 {
		return until{}
	}
	return until{time.Now().Add(t), fmt.Errorf("%w (timeout = %v of rule %s)", command.ErrTimeout, t, r.Name)}
}

// bound ends ctx when the timeout has passed.
func (u until) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if u.time.IsZero() {
		return ctx, func() {}
	}
	return context.WithDeadlineCause(ctx, u.time, u.cause)
}

// A guard watches what a command has left behind when its main process has ended: until it is gone, or its rule's timeout
// has passed, its locks and its fence are held, for a lock must never be free while what it protects still runs.
type guard struct {
	until   until
	rule    *filters.Rule
	process *spawn.Process
	held    *Held
	log     *slog.Logger
}

// keep returns at once. Where nothing was left, or what was may outlive its client, the locks are free by then.
func (g guard) keep(c *Commands) {
	if len(g.held.all) == 0 && g.held.pass == nil && g.until.time.IsZero() {
		return
	}
	now, cancel := context.WithCancel(c.life)
	cancel()
	if g.rule.Detached || g.process.WaitTree(now) == nil {
		g.release()
		return
	}
	c.guards.Go(func() {
		life, cancel := g.until.bound(c.life)
		defer cancel()
		if errors.Is(g.process.WaitTree(life), command.ErrTimeout) {
			if err := g.process.KillTree(); err != nil {
				g.log.Error("ending what a command left behind", "rule", g.rule.Name, "error", err)
			}
		}
		g.release()
	})
}

func (g guard) release() {
	if err := g.held.Release(); err != nil {
		g.log.Error("giving a lock back", "rule", g.rule.Name, "error", err)
	}
}
