package lockutils_test

import (
	"context"
	"errors"
	"fmt"
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

// A→B in one goroutine and B→C and C→A in others: whoever closes the circle is told, and the others go on. Each lock may be
// of another Set.
func TestCircle(t *testing.T) {
	one := &lockutils.Set{Folder: t.TempDir()}
	for kind, sets := range map[string][3]*lockutils.Set{
		"one Set":             {one, one, one},
		"in this process":     sameSet(&lockutils.Set{DisableProcessLocking: true}),
		"fair":                sameSet(&lockutils.Set{Folder: t.TempDir(), Fair: true}),
		"two Sets":            {{Folder: t.TempDir()}, one, one},
		"three Sets":          {{Folder: t.TempDir()}, {Folder: t.TempDir()}, {Folder: t.TempDir()}},
		"files and in memory": {{Folder: t.TempDir()}, {DisableProcessLocking: true}, {Folder: t.TempDir()}},
	} {
		names := []string{"a", "b", "c"}
		held := make([]*lockutils.Held, 3)
		for i, name := range names {
			var err error
			if held[i], err = sets[i].Lock(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
		results := make(chan error, 2)
		for i := range 2 {
			go func() {
				next, err := sets[i+1].Lock(held[i].Context(), names[i+1])
				if err == nil {
					err = next.Unlock()
				}
				results <- errors.Join(err, held[i].Unlock())
			}()
			awaitInLine(t, sets[i+1], names[i+1])
		}
		_, err := sets[0].Lock(held[2].Context(), "a")
		var d *lockutils.DeadlockError
		if !errors.As(err, &d) || !slices.Equal(d.Cycle, []string{"a", "b", "c"}) {
			t.Errorf("%s: the circle was not found: %v", kind, err)
		}
		if err := held[2].Unlock(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := <-results; err != nil {
				t.Errorf("%s: %v", kind, err)
			}
		}
	}
}

func sameSet(s *lockutils.Set) [3]*lockutils.Set { return [3]*lockutils.Set{s, s, s} }

// awaitInLine returns when somebody waits for the lock.
func awaitInLine(t *testing.T, s *lockutils.Set, name string) {
	t.Helper()
	eventually(t, 5*time.Second, "it waits for "+name, func() bool {
		return slices.ContainsFunc(s.Snapshot(), func(u lockutils.Use) bool { return u.Name == name && !u.Held })
	})
}

// When all close the circle in the same moment, one of them is refused, and one only.
func TestCircleClosedAtOnce(t *testing.T) {
	for _, sets := range [][]*lockutils.Set{
		{{Folder: t.TempDir()}},
		{{Folder: t.TempDir()}, {Folder: t.TempDir()}, {Folder: t.TempDir()}, {Folder: t.TempDir()}},
	} {
		const count = 4
		set := func(i int) *lockutils.Set { return sets[i%count%len(sets)] }
		name := func(i int) string { return fmt.Sprint(i % count) }
		for range 200 {
			var held [count]*lockutils.Held
			for i := range held {
				var err error
				if held[i], err = set(i).Lock(t.Context(), name(i)); err != nil {
					t.Fatal(err)
				}
			}
			start, results := make(chan struct{}), make(chan error, count)
			for i := range held {
				go func() {
					<-start
					next, err := set(i+1).Lock(held[i].Context(), name(i+1))
					if err == nil {
						err = next.Unlock()
					}
					results <- errors.Join(err, held[i].Unlock())
				}()
			}
			close(start)
			refused := 0
			for range held {
				select {
				case err := <-results:
					if errors.Is(err, lockutils.ErrDeadlock) {
						refused++
					} else if err != nil {
						t.Fatal(err)
					}
				case <-time.After(20 * time.Second):
					t.Fatal("the circle was not found")
				}
			}
			if refused != 1 {
				t.Fatalf("%d of %d were refused", refused, count)
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
