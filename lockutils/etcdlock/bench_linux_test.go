//go:build !race

package etcdlock_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"go.etcd.io/etcd/client/v3/concurrency"
)

// Uncontended, ours costs what etcd's own Mutex costs: each is one transaction to take and one to give back. Rounds of
// both alternate, and medians are compared.
func TestAgainstMutex(t *testing.T) {
	c := startCluster(t, 1)
	l := c.open("/bench")
	session, err := concurrency.NewSession(c.client())
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	unlock(t, lock(t, l, "x"))
	var ours, theirs []time.Duration
	for range 300 {
		began := time.Now()
		unlock(t, lock(t, l, "x"))
		ours = append(ours, time.Since(began))
		began = time.Now()
		m := concurrency.NewMutex(session, "/bench/y")
		if err := m.Lock(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := m.Unlock(context.Background()); err != nil {
			t.Fatal(err)
		}
		theirs = append(theirs, time.Since(began))
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	a, b := ours[len(ours)/2], theirs[len(theirs)/2]
	t.Logf("p50 %v, concurrency.Mutex %v: %.2f", a, b, float64(a)/float64(b))
	if float64(a) > 1.2*float64(b) {
		t.Errorf("taken and given back in %v, more than 1.2 times concurrency.Mutex's %v", a, b)
	}
}
