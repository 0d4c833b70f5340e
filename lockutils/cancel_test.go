package lockutils_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/privhelper/privhelper/lockutils"
)

// eventually waits for what must become true, and fails when it does not within the bound.
func eventually(t testing.TB, bound time.Duration, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(bound); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", bound, what)
		}
	}
}

// cancelWaits begins 10,000 waits for a lock that somebody holds, exclusive and shared, and ends each at some moment.
func cancelWaits(s *lockutils.Set, name string) error {
	errs := make([]error, 10)
	var waits sync.WaitGroup
	for i := range errs {
		waits.Go(func() {
			for range 1000 {
				lock := s.Lock
				if rand.IntN(2) == 0 {
					lock = s.RLock
				}
				ctx, cancel := context.WithCancel(context.Background())
				stop := time.AfterFunc(time.Duration(rand.IntN(300))*time.Microsecond, cancel)
				_, err := lock(ctx, name)
				stop.Stop()
				cancel()
				if !errors.Is(err, context.Canceled) {
					errs[i] = fmt.Errorf("a wait that was cancelled: %w", err)
					return
				}
			}
		})
	}
	waits.Wait()
	return errors.Join(errs...)
}

// 10,000 waits that are cancelled leave nothing, while the lock is still held: no goroutine, no thread that waits in the
// kernel, no descriptor, and nothing in the Set. Each kind of Set waits in its own way.
func TestCancelledWaits(t *testing.T) {
	for name, s := range map[string]*lockutils.Set{
		"plain":      {},
		"fair":       {Fair: true},
		"polite":     {Polite: true},
		"flock only": {Engine: lockutils.FlockOnly},
	} {
		folder, _ := newCounter(t)
		h := hold(t, folder, "bridge")
		s.Folder = folder
		runtime.GC()
		goroutines, files := runtime.NumGoroutine(), openFiles(t)
		if err := cancelWaits(s, "bridge"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		eventually(t, 5*time.Second, name+": no goroutine is left", func() bool { return runtime.NumGoroutine() <= goroutines })
		eventually(t, 5*time.Second, name+": no wait in the kernel is left", func() bool {
			side := filepath.Join(folder, ".lockutils", "bridge") // where fair and polite ones wait too
			_, err := os.Stat(side)
			return kernelWaiters(t, filepath.Join(folder, "bridge")) == 0 && (err != nil || kernelWaiters(t, side) == 0)
		})
		eventually(t, 5*time.Second, name+": no descriptor is left", func() bool { return openFiles(t) <= files })
		if left := s.Snapshot(); len(left) > 0 {
			t.Errorf("%s: the Set still knows of %v", name, left)
		}
		h.free(t)
	}
}

// A waiter that comes while the thread of one that left is called back has that thread's wait, or one of its own: it gets
// the lock in any case.
func TestWaitAfterCancelledWait(t *testing.T) {
	folder, _ := newCounter(t)
	s := &lockutils.Set{Folder: folder, Names: lockutils.Oslo}
	for round := range 200 {
		other := &lockutils.Set{Folder: folder} // to the kernel, another process
		held, err := other.Lock(t.Context(), "bridge")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() {
			_, err := s.Lock(ctx, "bridge")
			left <- err
		}()
		awaitWaiters(t, held.Path, 1)
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		got := make(chan error, 1)
		go func() {
			held, err := s.Lock(t.Context(), "bridge")
			if err == nil {
				err = held.Unlock()
			}
			got <- err
		}()
		if round%2 == 0 {
			eventually(t, 5*time.Second, "the second waits", func() bool { return len(s.Snapshot()) == 1 })
		}
		if err := held.Unlock(); err != nil {
			t.Fatal(err)
		}
		if err := <-got; err != nil {
			t.Fatal(err)
		}
	}
}

// A writer that left does not keep readers out.
func TestReaderPassesCancelledWriter(t *testing.T) {
	folder, _ := newCounter(t)
	reader := hold(t, folder, "bridge", "shared")
	s := &lockutils.Set{Folder: folder, Names: lockutils.Oslo}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Lock(ctx, "bridge"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	held, err := s.RLock(t.Context(), "bridge")
	if err != nil {
		t.Fatal(err)
	}
	if err := held.Unlock(); err != nil {
		t.Fatal(err)
	}
	reader.free(t)
}
