package lockutils_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/privhelper/privhelper/lockutils"
)

func TestKeysExclude(t *testing.T) {
	var k lockutils.Keys
	counts := [3]int{}
	var all sync.WaitGroup
	for i := range 24 {
		all.Go(func() {
			for range 500 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%4)*time.Microsecond)
				held, err := k.Lock(ctx, fmt.Sprint(i%3))
				cancel()
				if errors.Is(err, context.DeadlineExceeded) {
					held, err = k.Lock(t.Context(), fmt.Sprint(i%3))
				}
				if err != nil {
					t.Error(err)
					return
				}
				counts[i%3]++
				if err := held.Unlock(); err != nil {
					t.Error(err)
				}
				if err := held.Unlock(); !errors.Is(err, lockutils.ErrNotHeld) {
					t.Errorf("the second unlock: %v", err)
				}
			}
		})
	}
	all.Wait()
	if counts != [3]int{4000, 4000, 4000} {
		t.Errorf("counts %v", counts)
	}
	if n := k.Len(); n != 0 {
		t.Errorf("%d names are left", n)
	}
	if err := (lockutils.KeyHeld{}).Unlock(); !errors.Is(err, lockutils.ErrNotHeld) {
		t.Errorf("the zero value: %v", err)
	}
}

// A handle that was given back must not free the name of whoever holds it now.
func TestKeysStaleHandle(t *testing.T) {
	var k lockutils.Keys
	first, err := k.Lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Unlock(); err != nil {
		t.Fatal(err)
	}
	second, ok := k.TryLock("b") // made of the same piece of memory
	if !ok {
		t.Fatal("b is taken")
	}
	if err := first.Unlock(); !errors.Is(err, lockutils.ErrNotHeld) {
		t.Error(err)
	}
	if _, ok := k.TryLock("b"); ok {
		t.Error("a stale handle freed b")
	}
	if err := second.Unlock(); err != nil {
		t.Error(err)
	}
}

func TestKeysInOrder(t *testing.T) {
	var k lockutils.Keys
	held, err := k.Lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	var order []int
	var all sync.WaitGroup
	for i := range 10 {
		started := make(chan struct{})
		all.Go(func() {
			close(started)
			held, err := k.Lock(t.Context(), "a")
			if err != nil {
				t.Error(err)
				return
			}
			order = append(order, i)
			if err := held.Unlock(); err != nil {
				t.Error(err)
			}
		})
		<-started
		waitBlocked(t, i+1)
	}
	if err := held.Unlock(); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	for i, n := range order {
		if i != n {
			t.Fatalf("served in order %v", order)
		}
	}
}

// waitBlocked returns when n goroutines wait in Keys.Lock.
func waitBlocked(t *testing.T, n int) {
	t.Helper()
	eventually(t, 10*time.Second, "goroutines wait", func() bool { return goroutinesIn("lockutils.(*Keys).Lock") == n })
}

// A million names, one after the other, and then many at once, and the memory comes back.
func TestKeysMemoryReturns(t *testing.T) {
	var k lockutils.Keys
	before := heap()
	for i := range 1_000_000 {
		held, err := k.Lock(t.Context(), fmt.Sprint("name", i))
		if err != nil {
			t.Fatal(err)
		}
		if err := held.Unlock(); err != nil {
			t.Fatal(err)
		}
	}
	oneByOne := heap()
	held := make([]lockutils.KeyHeld, 0, 200_000)
	for i := range 200_000 {
		h, err := k.Lock(t.Context(), fmt.Sprint("name", i))
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, h)
	}
	together := heap()
	for _, h := range held {
		if err := h.Unlock(); err != nil {
			t.Fatal(err)
		}
	}
	held = nil
	after := heap()
	t.Logf("%d KiB before, %d after a million names one by one, %d with many held, %d after", before>>10, oneByOne>>10, together>>10, after>>10)
	if after > before+1<<20 || oneByOne > before+1<<20 {
		t.Error("memory was kept")
	}
	runtime.KeepAlive(&k)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestRWLock(t *testing.T) {
	var l lockutils.RWLock
	value, reads := 0, 0
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for range 300 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%4)*time.Microsecond)
				lock := l.RLock
				if i%4 == 0 {
					lock = l.Lock
				}
				held, err := lock(ctx)
				cancel()
				if errors.Is(err, context.DeadlineExceeded) {
					held, err = lock(t.Context())
				}
				if err != nil {
					t.Error(err)
					return
				}
				if i%4 == 0 {
					value++
				} else {
					mu.Lock()
					reads += min(value, 0) + 1
					mu.Unlock()
				}
				if err := held.Unlock(); err != nil {
					t.Error(err)
				}
				if err := held.Unlock(); !errors.Is(err, lockutils.ErrNotHeld) {
					t.Errorf("the second unlock: %v", err)
				}
			}
		})
	}
	all.Wait()
	if value != 1200 || reads != 3600 {
		t.Errorf("%d writes and %d reads", value, reads)
	}
	if _, ok := l.TryLock(); !ok {
		t.Error("it is not free")
	}
}

// A writer that waits goes before readers that come later; when it leaves with its ctx, they go in at once.
func TestRWLockCancelledWriter(t *testing.T) {
	var l lockutils.RWLock
	reader, err := l.RLock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := l.Lock(ctx)
		left <- err
	}()
	eventually(t, 5*time.Second, "the writer waits", func() bool {
		second, ok := l.TryRLock()
		if ok {
			_ = second.Unlock()
		}
		return !ok
	})
	got := make(chan error, 1)
	go func() {
		held, err := l.RLock(t.Context())
		if err == nil {
			err = held.Unlock()
		}
		got <- err
	}()
	eventually(t, 5*time.Second, "the second reader waits", func() bool { return goroutinesIn("lockutils.(*RWLock).acquire") == 2 })
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := <-got; err != nil {
		t.Error(err)
	}
	if err := reader.Unlock(); err != nil {
		t.Fatal(err)
	}
}

// A stream of readers that never lets the lock free keeps no writer out.
func TestRWLockWriterIsNotStarved(t *testing.T) {
	var l lockutils.RWLock
	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for ctx.Err() == nil {
				held, err := l.RLock(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				time.Sleep(time.Millisecond)
				if err := held.Unlock(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 20 {
		bound, stop := context.WithTimeout(t.Context(), 5*time.Second)
		held, err := l.Lock(bound)
		stop()
		if err != nil {
			t.Error(err)
			break
		}
		if err := held.Unlock(); err != nil {
			t.Error(err)
		}
	}
	cancel()
	readers.Wait()
}
