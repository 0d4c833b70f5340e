package lockutils

import "context"

// Locker is what a service needs of an engine for locks: a Set of files, or one that reaches many machines. A service
// that keeps to it moves from one to the other by changing the value.
type Locker interface {
	// Lock waits until the lock is held, or ctx ends.
	Lock(ctx context.Context, name string) (*Held, error)
	// TryLock takes the lock if nobody has it, and else returns an error that wraps ErrBusy. An engine that must ask
	// somebody for that gives up with ctx.
	TryLock(ctx context.Context, name string) (*Held, error)
}

var _ Locker = (*Set)(nil)
