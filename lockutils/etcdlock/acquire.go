package etcdlock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/privhelper/privhelper/lockutils"
)

// holding is a lock that a ctx speaks for, as Held.Context gives it, and the one before.
type holding struct {
	locker *Locker
	folder string
	over   atomic.Bool
	up     *holding
}

type holdingKey struct{}

// claim is one call's way to a lock: in line in this process, then in the cluster's.
type claim struct {
	locker *Locker
	name   string
	folder string
	asked  time.Time
	turn   lockutils.KeyHeld
	place  *place
	owner  *mvccpb.KeyValue // who held the lock when it was looked at last
	cause  error            // what the cluster failed with last
}

func (l *Locker) acquire(ctx context.Context, name string, try bool) (*lockutils.Held, error) {
	folder, err := l.folder(name)
	if err != nil {
		return nil, err
	}
	c := &claim{locker: l, name: name, folder: folder, asked: time.Now()}
	up, _ := ctx.Value(holdingKey{}).(*holding)
	if err := c.enter(ctx, up, try); err != nil {
		return nil, err
	}
	if err := c.queue(ctx, try); err != nil {
		c.abandon()
		return nil, c.refusal(ctx, err)
	}
	h := &holding{locker: l, folder: folder, up: up}
	s, waited := c.place.session, time.Since(c.asked)
	l.log(ctx, slog.LevelDebug, "lock acquired", "name", name, "path", folder, "token", c.place.rev, "waited", waited.Seconds())
	return lockutils.NewHeld(context.WithValue(ctx, holdingKey{}, h), lockutils.Grant{
		Name: name, Path: folder, Waited: waited, Token: c.place.rev, Lost: s.lost, Look: s.look,
		Release: func() error {
			h.over.Store(true)
			err := c.place.leave()
			s.drop()
			c.turn.Unlock()
			l.log(ctx, slog.LevelDebug, "lock released", "name", name, "path", folder, "err", err)
			return unlockError(name, err)
		},
	}), nil
}

// enter waits for the turn in this process: a session that joins a line twice has one place in it, and would hold the
// lock twice.
func (c *claim) enter(ctx context.Context, up *holding, try bool) error {
	if try {
		turn, free := c.locker.queue.TryLock(c.folder)
		if !free {
			return c.refusal(ctx, lockutils.ErrBusy)
		}
		c.turn = turn
		return nil
	}
	for h := up; h != nil; h = h.up {
		if h.locker == c.locker && h.folder == c.folder && !h.over.Load() {
			return &lockutils.DeadlockError{Name: c.name, Cycle: []string{c.name}}
		}
	}
	turn, err := c.locker.queue.Lock(ctx, c.folder)
	if err != nil {
		return c.refusal(ctx, err)
	}
	c.turn = turn
	return nil
}

// queue waits for the turn in the cluster. It begins anew with every session that is lost on the way.
func (c *claim) queue(ctx context.Context, try bool) error {
	pause := backoff{}
	for {
		err := c.queueOnce(ctx, try)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errGone), errors.Is(err, errUnsure):
		case errors.Is(err, lockutils.ErrBusy), errors.Is(err, ErrClosed), refused(err):
			return err
		}
		if c.locker.ctx.Err() != nil {
			return ErrClosed
		}
		c.cause = err
		pause.wait(ctx)
	}
}

func (c *claim) queueOnce(ctx context.Context, try bool) error {
	s, err := c.locker.session(ctx)
	if err != nil {
		return err
	}
	c.place, c.owner, err = s.join(ctx, c.folder, c.locker.card(), try)
	if err == nil && c.owner != nil {
		err = c.place.wait(ctx)
	}
	if err == nil {
		if s.look(); s.ctx.Err() == nil {
			return nil
		}
		err = errGone
	}
	if c.place == nil || errors.Is(err, errGone) {
		c.place = nil
		s.drop()
	}
	return err
}

// abandon gives back what a claim has that came to nothing. The cluster is told in the background, and the turn is
// passed on when it knows: until then the key there is ours.
func (c *claim) abandon() {
	if c.place == nil {
		c.turn.Unlock()
		return
	}
	go func() {
		if err := c.place.leave(); err != nil {
			c.locker.log(context.Background(), slog.LevelDebug, "place in line not given back", "path", c.folder, "err", err)
		}
		c.place.session.drop()
		c.turn.Unlock()
	}()
}

// refusal is the error of a claim that did not get its lock.
func (c *claim) refusal(ctx context.Context, err error) error {
	if ctx.Err() == nil && !errors.Is(err, lockutils.ErrBusy) {
		return err
	}
	e := &lockutils.WaitError{Name: c.name, Path: c.folder, Waited: time.Since(c.asked), Err: err}
	if ctx.Err() != nil {
		e.Err = ctx.Err()
		if cause := context.Cause(ctx); !errors.Is(cause, e.Err) {
			e.Err = fmt.Errorf("%w: %w", e.Err, cause)
		}
		if c.cause != nil {
			e.Err = fmt.Errorf("%w; the last that went wrong: %w", e.Err, c.cause)
		}
	}
	if !errors.Is(ctx.Err(), context.Canceled) {
		e.Holder = c.locker.holder(c.folder, c.owner)
	}
	return e
}
