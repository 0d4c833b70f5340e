package lockutils_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/privhelper/privhelper/lockutils"
)

// Everything at once: four Sets on one folder, three names, exclusive and shared, tries and waits that end at any
// moment. Two are never in that must not be, nobody is forgotten, and nothing is left.
func TestStorm(t *testing.T) {
	folder, _ := newCounter(t)
	sets := []*lockutils.Set{
		{Folder: folder},
		{Folder: folder},
		{Folder: folder, Fair: true},
		{Folder: folder, Polite: true},
	}
	runtime.GC()
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	var inside [3]struct{ writers, readers atomic.Int32 }
	var got, left atomic.Int32
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 300 {
				n, s := rand.IntN(3), sets[rand.IntN(len(sets))]
				name, shared := fmt.Sprint("lock", n), rand.IntN(3) > 0
				lock := s.Lock
				switch {
				case shared && rand.IntN(4) == 0:
					lock = s.TryRLock
				case shared:
					lock = s.RLock
				case rand.IntN(4) == 0:
					lock = s.TryLock
				}
				ctx, cancel := context.WithCancel(t.Context())
				if rand.IntN(2) == 0 {
					time.AfterFunc(time.Duration(rand.IntN(500))*time.Microsecond, cancel)
				}
				held, err := lock(ctx, name)
				if err != nil {
					if !errors.Is(err, lockutils.ErrBusy) && !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
					left.Add(1)
					cancel()
					continue
				}
				got.Add(1)
				in := &inside[n]
				if shared {
					in.readers.Add(1)
				} else if in.writers.Add(1) != 1 || in.readers.Load() != 0 {
					t.Error("an exclusive holder is not alone")
				}
				if rand.IntN(4) == 0 {
					runtime.Gosched()
				}
				if shared {
					if in.writers.Load() != 0 {
						t.Error("a writer is in beside a reader")
					}
					in.readers.Add(-1)
				} else {
					in.writers.Add(-1)
				}
				if err := held.Unlock(); err != nil {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	stuck := time.AfterFunc(2*time.Minute, func() { panic("stuck for two minutes") })
	all.Wait()
	stuck.Stop()
	t.Logf("%d got in, %d left before", got.Load(), left.Load())
	for _, s := range sets {
		if uses := s.Snapshot(); len(uses) > 0 {
			t.Errorf("left behind: %+v", uses)
		}
	}
	eventually(t, 10*time.Second, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= goroutines })
	eventually(t, 10*time.Second, "no descriptor is left", func() bool { return openFiles(t) <= files })
	for i := range inside {
		held, err := sets[0].Lock(t.Context(), fmt.Sprint("lock", i))
		if err != nil {
			t.Fatal(err)
		}
		if err := held.Unlock(); err != nil {
			t.Fatal(err)
		}
	}
}

func openFiles(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
