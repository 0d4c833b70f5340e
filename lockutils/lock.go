package lockutils

import (
	"context"
	"errors"
)

// Lock waits until nobody else holds the lock, and holds it. When ctx ends first it returns a *WaitError, which for a
// deadline says who holds the lock. With a ctx of Held.Context it returns a *DeadlockError instead of waiting for what
// could never come. A name that can be no file's gives a *NameError; a file or folder that cannot be used a *FileError
// or *FolderError.
func (s *Set) Lock(ctx context.Context, name string) (*Held, error) {
	return s.acquire(ctx, want{name: name})
}

// RLock waits until nobody holds the lock alone, and holds it together with others who share it. Whoever waits to hold
// it alone is served before those who come later. Errors are those of Lock. A file that may be read and not written can
// be shared.
func (s *Set) RLock(ctx context.Context, name string) (*Held, error) {
	return s.acquire(ctx, want{name: name, shared: true})
}

// TryLock is Lock that never waits: the error is a *WaitError that wraps ErrBusy when somebody has the lock, or waits
// for it in this process, or in another that is Fair.
func (s *Set) TryLock(ctx context.Context, name string) (*Held, error) {
	return s.acquire(ctx, want{name: name, try: true})
}

// TryRLock is RLock that never waits, as TryLock is to Lock.
func (s *Set) TryRLock(ctx context.Context, name string) (*Held, error) {
	return s.acquire(ctx, want{name: name, shared: true, try: true})
}

// Do calls work while the lock is held, with the ctx of Held.Context, and gives the lock back also when work panics.
func (s *Set) Do(ctx context.Context, name string, work func(context.Context) error) (err error) {
	held, err := s.Lock(ctx, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, held.Unlock()) }()
	return work(held.Context())
}
