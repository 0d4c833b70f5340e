package etcdlock_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"go.etcd.io/etcd/client/v3/concurrency"
)

// Uncontended, ours is to cost at most 1.2 times what etcd's own Mutex costs (xmutex): each is one transaction to take and
// one to give back. Rounds of both alternate, and medians are compared.
func BenchmarkAgainstMutex(b *testing.B) {
	c := startCluster(b, 1)
	l := c.open("/bench")
	session, err := concurrency.NewSession(c.client())
	if err != nil {
		b.Fatal(err)
	}
	defer session.Close()
	ctx := context.Background()
	var ours, theirs []time.Duration
	for b.Loop() {
		began := time.Now()
		held, err := l.Lock(ctx, "x")
		if err != nil {
			b.Fatal(err)
		}
		if err := held.Unlock(); err != nil {
			b.Fatal(err)
		}
		ours = append(ours, time.Since(began))
		began = time.Now()
		m := concurrency.NewMutex(session, "/bench/y")
		if err := m.Lock(ctx); err != nil {
			b.Fatal(err)
		}
		if err := m.Unlock(ctx); err != nil {
			b.Fatal(err)
		}
		theirs = append(theirs, time.Since(began))
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	p50, mutex := ours[len(ours)/2], theirs[len(theirs)/2]
	b.ReportMetric(float64(p50.Microseconds()), "p50-µs")
	b.ReportMetric(float64(mutex.Microseconds()), "mutex-p50-µs")
	b.ReportMetric(float64(p50)/float64(mutex), "xmutex")
}
