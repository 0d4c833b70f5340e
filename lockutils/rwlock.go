package lockutils

import (
	"context"
	"sync"
	"sync/atomic"
)

// RWLock is a lock within one process that one writer holds alone or any number of readers hold together. Whoever comes
// first is served first: readers that come after a waiting writer wait for it, so that it is not starved; when it leaves
// because its ctx has ended, they go in. The zero value is ready, and must not be copied once it was used.
type RWLock struct {
	mu    sync.Mutex
	turns turnstile
}

// RWHeld is an RWLock that is held.
type RWHeld struct {
	lock *RWLock
	turn turn
	gone atomic.Bool
}

// Lock waits until nobody else holds the lock, and holds it alone. When ctx ends first it returns a *WaitError.
func (l *RWLock) Lock(ctx context.Context) (*RWHeld, error) { return l.acquire(ctx, false) }

// RLock waits until no writer holds the lock, or waits for it since earlier, and holds it with other readers. When ctx
// ends first it returns a *WaitError. A reader that asks again waits for itself if a writer has come in between.
func (l *RWLock) RLock(ctx context.Context) (*RWHeld, error) { return l.acquire(ctx, true) }

func (l *RWLock) acquire(ctx context.Context, shared bool) (*RWHeld, error) {
	if ctx.Err() != nil {
		return nil, &WaitError{Err: ended(ctx)}
	}
	h := &RWHeld{lock: l, turn: turn{shared: shared}}
	l.mu.Lock()
	in := l.turns.enter(&h.turn)
	l.mu.Unlock()
	if in {
		return h, nil
	}
	select {
	case <-h.turn.ready:
		return h, nil
	case <-ctx.Done():
		l.mu.Lock()
		l.turns.leave(&h.turn)
		l.mu.Unlock()
		return nil, &WaitError{Err: ended(ctx)}
	}
}

// TryLock is Lock that returns false instead of waiting.
func (l *RWLock) TryLock() (*RWHeld, bool) { return l.try(false) }

// TryRLock is RLock that returns false instead of waiting.
func (l *RWLock) TryRLock() (*RWHeld, bool) { return l.try(true) }

func (l *RWLock) try(shared bool) (*RWHeld, bool) {
	h := &RWHeld{lock: l, turn: turn{shared: shared}}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.turns.tryEnter(&h.turn) {
		return nil, false
	}
	return h, true
}

// Unlock gives the lock back. A second call returns ErrNotHeld.
func (h *RWHeld) Unlock() error {
	if h.gone.Swap(true) {
		return ErrNotHeld
	}
	h.lock.mu.Lock()
	h.lock.turns.leave(&h.turn)
	h.lock.mu.Unlock()
	return nil
}
