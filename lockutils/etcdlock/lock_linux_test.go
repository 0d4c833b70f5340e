package etcdlock_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/privhelper/privhelper/lockutils"
)

func lock(t *testing.T, l lockutils.Locker, name string) *lockutils.Held {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	held, err := l.Lock(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	return held
}

func unlock(t *testing.T, held *lockutils.Held) {
	t.Helper()
	if err := held.Unlock(); err != nil {
		t.Error(err)
	}
}

func TestLock(t *testing.T) {
	c := startCluster(t, 1)
	a, b := c.open("/net?ttl=5s"), c.open("/net?ttl=5s")

	first := lock(t, a, "bridge/br0")
	if first.Path != "/net/bridge%2Fbr0/" || first.Token() == 0 || first.Name != "bridge/br0" {
		t.Errorf("held %q at %q with token %d", first.Name, first.Path, first.Token())
	}
	// Names are kept apart also where one begins with another (etcd's own Mutex would take these for one line).
	unlock(t, lock(t, b, "bridge"))

	// Who holds it is said, to one of the same process and to one that is somewhere else.
	for l, text := range map[lockutils.Locker]string{a: "this process", b: "on " + hostname(t)} {
		_, err := l.TryLock(t.Context(), "bridge/br0")
		if !errors.Is(err, lockutils.ErrBusy) || !strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), fmt.Sprintf("pid %d", os.Getpid())) {
			t.Errorf("TryLock of a taken lock: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, err = l.Lock(ctx, "bridge/br0")
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), text) {
			t.Errorf("Lock of a taken lock: %v", err)
		}
	}
	// A wait that was cancelled leaves nothing in line.
	ctx, cancel := context.WithCancel(t.Context())
	cancelled := make(chan error)
	go func() {
		_, err := b.Lock(ctx, "bridge/br0")
		cancelled <- err
	}()
	waitPlaces(t, c, "/net/bridge%2Fbr0/", 2)
	cancel()
	if err := <-cancelled; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	waitPlaces(t, c, "/net/bridge%2Fbr0/", 1)

	unlock(t, first)
	if err := first.Unlock(); !errors.Is(err, lockutils.ErrNotHeld) {
		t.Errorf("second unlock: %v", err)
	}
	second := lock(t, b, "bridge/br0")
	if second.Token() <= first.Token() {
		t.Errorf("token %d after %d", second.Token(), first.Token())
	}
	unlock(t, second)
	held, err := a.TryLock(t.Context(), "bridge/br0")
	if err != nil {
		t.Fatal(err)
	}
	if held.Token() <= second.Token() {
		t.Errorf("token %d after %d", held.Token(), second.Token())
	}

	// The same lock by the holder's own ctx could never come.
	if _, err := a.Lock(held.Context(), "bridge/br0"); !errors.Is(err, lockutils.ErrDeadlock) {
		t.Errorf("reentry: %v", err)
	}
	// Close frees, and ends what speaks for the holder.
	working := held.Context()
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	<-working.Done()
	if !errors.Is(context.Cause(working), lockutils.ErrLost) {
		t.Errorf("cause: %v", context.Cause(working))
	}
	if err := held.Unlock(); !errors.Is(err, lockutils.ErrLost) {
		t.Errorf("unlock of a lost lock: %v", err)
	}
	third, err := b.TryLock(t.Context(), "bridge/br0")
	if err != nil {
		t.Fatal(err)
	}
	unlock(t, third)
	if _, err := a.Lock(t.Context(), "x"); err == nil {
		t.Error("a closed Locker locks")
	}
	var nameErr *lockutils.NameError
	if _, err := b.Lock(t.Context(), ""); !errors.As(err, &nameErr) {
		t.Errorf("no name: %v", err)
	}
}

func hostname(t *testing.T) string {
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// places counts who is in line.
func places(client *clientv3.Client, folder string) (int64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	line, err := client.Get(ctx, folder, clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		return 0, err
	}
	return line.Count, nil
}

// waitPlaces waits until so many are in line.
func waitPlaces(t *testing.T, c *cluster, folder string, want int64) {
	t.Helper()
	client := c.client()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		n, err := places(client, folder)
		if err == nil && n == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d places in %s, want %d: %v", n, folder, want, err)
		}
	}
}

// Many goroutines in several Lockers: one holds at a time, tokens rise, and nothing is left.
func TestOneHolds(t *testing.T) {
	c := startCluster(t, 1)
	var inside atomic.Int32
	var last, count int64 // guarded by the lock
	var wg sync.WaitGroup
	for range 3 {
		l := c.open("/one")
		for range 4 {
			wg.Go(func() {
				for range 5 {
					held, err := l.Lock(t.Context(), "x")
					if err != nil {
						t.Error(err)
						return
					}
					if inside.Add(1) != 1 {
						t.Error("two hold")
					}
					if held.Token() <= last {
						t.Errorf("token %d after %d", held.Token(), last)
					}
					last = held.Token()
					count++
					inside.Add(-1)
					if err := held.Unlock(); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	if count != 60 {
		t.Errorf("held %d times", count)
	}
	waitPlaces(t, c, "/one/", 0)
}

// First come, first served, in one process and between Lockers.
func TestOrder(t *testing.T) {
	c := startCluster(t, 1)
	first := lock(t, c.open("/o"), "x")
	var order []int
	var wg sync.WaitGroup
	for i := range 5 {
		l := c.open("/o")
		wg.Go(func() {
			held, err := l.Lock(t.Context(), "x")
			if err != nil {
				t.Error(err)
				return
			}
			order = append(order, i)
			held.Unlock()
		})
		waitPlaces(t, c, "/o/x/", int64(i+2))
	}
	unlock(t, first)
	wg.Wait()
	if fmt.Sprint(order) != "[0 1 2 3 4]" {
		t.Errorf("served in the order %v", order)
	}
}

// etcdctl and we exclude each other, both ways, and both stand in the line.
func TestEtcdctl(t *testing.T) {
	c := startCluster(t, 1)
	l := c.open("/net")
	held := lock(t, l, "a/b")
	theirs := c.etcdctl("lock", "/net/a%2Fb")
	out, err := theirs.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := theirs.Start(); err != nil {
		t.Fatal(err)
	}
	defer theirs.Wait()
	defer theirs.Process.Kill()
	waitPlaces(t, c, "/net/a%2Fb/", 2)
	got := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n')
		got <- line
	}()
	select {
	case line := <-got:
		t.Fatalf("etcdctl holds what we hold: %s", line)
	case <-time.After(200 * time.Millisecond):
	}
	unlock(t, held)
	if line := <-got; !strings.HasPrefix(line, "/net/a%2Fb/") {
		t.Fatalf("etcdctl says %q", line)
	}
	_, err = l.TryLock(t.Context(), "a/b")
	if !errors.Is(err, lockutils.ErrBusy) || !strings.Contains(err.Error(), "leaves no name") {
		t.Errorf("held by etcdctl: %v", err)
	}
	if err := theirs.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	unlock(t, lock(t, l, "a/b"))
}
