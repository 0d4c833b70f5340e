package lockutils

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"sync/atomic"
	"time"
)

// Held is a lock that is held. Its methods may be called from any goroutine, and need not be from the one that took it.
type Held struct {
	Name   string        // as it was asked for
	Path   string        // of the lock file; empty where there is none
	Waited time.Duration // from the call to the grant

	ctx      context.Context
	claim    *claim // of a Set; nil for other engines
	grant    Grant  // of other engines
	unlocked atomic.Bool
	released chan struct{} // closed by Unlock, where the lock can be lost
}

// Grant is what an engine outside this package makes a Held of.
type Grant struct {
	Name   string
	Path   string // where the engine keeps the lock, for people who read logs
	Waited time.Duration
	// Token rises with every grant of the name; zero where the engine has none.
	Token int64
	// Lost is closed when the lock can no longer be relied on. Nil means never.
	Lost <-chan struct{}
	// Look, if given, is called by Held.Lost before it returns, so that an engine that counts time closes Lost by the
	// clock: a timer of a process that was stopped comes late.
	Look func()
	// Release gives the lock back. It is called once.
	Release func() error
}

// NewHeld is for engines: it makes a Held of what was granted. ctx is the one that the lock was asked with.
func NewHeld(ctx context.Context, g Grant) *Held {
	h := &Held{Name: g.Name, Path: g.Path, Waited: g.Waited, ctx: ctx, grant: g}
	if g.Lost != nil {
		h.released = make(chan struct{})
	}
	return h
}

// Unlock gives the lock back. A second call returns ErrNotHeld and does nothing. Any other error comes from the system,
// and the lock is free all the same, except where it was handed to a child by AddTo: it is free when that is gone too.
func (h *Held) Unlock() error {
	if h.unlocked.Swap(true) {
		return ErrNotHeld
	}
	if h.claim != nil {
		return h.claim.release()
	}
	if h.released != nil {
		close(h.released)
	}
	return h.grant.Release()
}

// Context returns the ctx that the lock was asked with, and with it the knowledge that this lock is held: what is asked
// for with it, and could never be had, is refused with a *DeadlockError. It ends when the lock is lost, with ErrLost as
// its cause; it does not end with Unlock. Give it to goroutines that work for the holder, and to no others.
func (h *Held) Context() context.Context {
	ctx := context.WithValue(h.ctx, chainKey{}, &chain{held: h, up: chainOf(h.ctx)})
	if h.grant.Lost == nil {
		return ctx
	}
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-h.grant.Lost:
			cancel(ErrLost)
		case <-h.released:
		case <-ctx.Done():
		}
	}()
	return ctx
}

// Lost returns a channel that is closed when the lock can no longer be relied on. For files it never is: a kernel
// forgets no lock of a process that lives. Whoever calls it anew before each act, instead of keeping the channel, sees
// also what happened while the process was stopped.
func (h *Held) Lost() <-chan struct{} {
	if h.grant.Look != nil {
		h.grant.Look()
	}
	return h.grant.Lost
}

// Token returns a number that is greater than that of every earlier holder of the name, so that whoever is written to
// can refuse a holder that is late; zero where the engine has none, as files do not.
func (h *Held) Token() int64 { return h.grant.Token }

// AddTo hands the lock to a command that is not started yet: its process, and what that starts, hold the lock too, so
// that it is free when all of them and the caller are done with it. The descriptor is appended to cmd.ExtraFiles and
// stays open here until Unlock. Errors are those of File.
func (h *Held) AddTo(cmd *exec.Cmd) error {
	f, err := h.File()
	if err == nil {
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	return err
}

// File is AddTo for those who start processes by other means: whoever has a copy of the descriptor holds the lock too.
// From then on Unlock closes without unlocking. The file is close-on-exec, belongs to the Held, and is closed by Unlock.
// After Unlock the error is ErrNotHeld. Only the lock of a file, and not one taken by FlockOnly, can be handed on; else
// the error wraps errors.ErrUnsupported.
func (h *Held) File() (*os.File, error) {
	if h.unlocked.Load() {
		return nil, ErrNotHeld
	}
	if h.claim == nil {
		return nil, errors.ErrUnsupported
	}
	return h.claim.hand()
}

// chain is the locks that a ctx speaks for, the newest first.
type chain struct {
	held *Held
	up   *chain
}

type chainKey struct{}

func chainOf(ctx context.Context) *chain {
	c, _ := ctx.Value(chainKey{}).(*chain)
	return c
}
