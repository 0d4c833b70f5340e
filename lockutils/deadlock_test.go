package lockutils_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/privhelper/privhelper/lockutils"
)

func TestReentry(t *testing.T) {
	folder, _ := newCounter(t)
	s := &lockutils.Set{Folder: folder, Names: lockutils.Oslo}
	other := &lockutils.Set{Folder: folder, Prefix: "", Names: lockutils.Oslo}
	err := s.Do(t.Context(), "a/b", func(ctx context.Context) error {
		for name, again := range map[string]func() (*lockutils.Held, error){
			"the same name":            func() (*lockutils.Held, error) { return s.Lock(ctx, "a/b") },
			"another name of the file": func() (*lockutils.Held, error) { return s.Lock(ctx, "a_b") },
			"to share it":              func() (*lockutils.Held, error) { return s.RLock(ctx, "a/b") },
			"through another Set":      func() (*lockutils.Held, error) { return other.Lock(ctx, "a_b") },
		} {
			held, err := again()
			var d *lockutils.DeadlockError
			if !errors.As(err, &d) || !errors.Is(err, lockutils.ErrDeadlock) || held != nil {
				t.Errorf("%s: %v, %v", name, held, err)
			}
		}
		if _, err := s.TryLock(ctx, "a/b"); !errors.Is(err, lockutils.ErrBusy) {
			t.Errorf("a try of what is held: %v", err)
		}
		held, err := s.Lock(ctx, "another")
		if err != nil {
			return err
		}
		return held.Unlock()
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Goroutines that only share a parent ctx wait for each other.
func TestSharedParentWaits(t *testing.T) {
	folder, _ := newCounter(t)
	s := &lockutils.Set{Folder: folder}
	held, err := s.Lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() {
		held, err := s.Lock(t.Context(), "a")
		if err == nil {
			err = held.Unlock()
		}
		got <- err
	}()
	eventually(t, 5*time.Second, "the second waits", func() bool { return len(s.Snapshot()) == 2 })
	if err := held.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Fatal(err)
	}
}

// A→B in one goroutine and B→C and C→A in others: whoever closes the circle is told, and the others go on.
func TestCircle(t *testing.T) {
	folder, _ := newCounter(t)
	for _, inProcess := range []bool{false, true} {
		s := &lockutils.Set{Folder: folder, DisableProcessLocking: inProcess}
		names := []string{"a", "b", "c"}
		held := make([]*lockutils.Held, 3)
		for i, name := range names {
			var err error
			if held[i], err = s.Lock(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
		results := make(chan error, 2)
		for i := range 2 {
			go func() {
				next, err := s.Lock(held[i].Context(), names[i+1])
				if err == nil {
					err = next.Unlock()
				}
				results <- errors.Join(err, held[i].Unlock())
			}()
			eventually(t, 5*time.Second, "it waits", func() bool { return len(s.Snapshot()) == 4+i })
		}
		_, err := s.Lock(held[2].Context(), "a")
		var d *lockutils.DeadlockError
		if !errors.As(err, &d) || !slices.Equal(d.Cycle, []string{"a", "b", "c"}) {
			t.Errorf("the circle was not found: %v", err)
		}
		if err := held[2].Unlock(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := <-results; err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A wait that ended with its ctx is on no circle any more.
func TestCancelledIsNoCircle(t *testing.T) {
	folder, _ := newCounter(t)
	s := &lockutils.Set{Folder: folder}
	a, err := s.Lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Lock(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(a.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := s.Lock(ctx, "b"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(b.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := s.Lock(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, lockutils.ErrDeadlock) {
		t.Fatal(err)
	}
	if err := errors.Join(a.Unlock(), b.Unlock()); err != nil {
		t.Fatal(err)
	}
}

func TestLockAll(t *testing.T) {
	folder, counter := newCounter(t)
	s := &lockutils.Set{Folder: folder, Names: lockutils.Oslo}
	results := make(chan error)
	orders := [][]string{{"a", "b", "c/d", "c_d"}, {"c_d", "b", "a"}, {"b", "a", "c/d"}}
	for _, names := range orders {
		go func() {
			results <- func() error {
				for range 100 {
					all, err := s.LockAll(t.Context(), names...)
					if err != nil {
						return err
					}
					if len(all.Locks) != 3 {
						return errors.New("names of one file were taken twice")
					}
					if _, err := s.Lock(all.Context(), "b"); !errors.Is(err, lockutils.ErrDeadlock) {
						return errors.New("the ctx does not speak for all")
					}
					if err := errors.Join(bump(counter), all.Unlock()); err != nil {
						return err
					}
				}
				return nil
			}()
		}()
	}
	for range orders {
		if err := <-results; err != nil {
			t.Fatal(err)
		}
	}
	wantCount(t, counter, 300)

	// All or nothing.
	b, err := s.Lock(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.LockAll(ctx, "b", "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	a, err := s.TryLock(t.Context(), "a")
	if err != nil {
		t.Fatalf("a was kept: %v", err)
	}
	if err := errors.Join(a.Unlock(), b.Unlock()); err != nil {
		t.Fatal(err)
	}
}
