package etcdlock_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/privhelper/privhelper/lockutils/etcdlock"
)

// A keep-alive counts if the majority, asked after it, is of the leader's term that answered it, and else does not: a leader
// that was deposed and does not know yet goes on answering. What the majority says here is of a later term.
func TestDeposedLeader(t *testing.T) {
	c := startCluster(t, 1)
	c.open("/t").Close() // it is up
	var deposed atomic.Bool
	renewed := make(chan struct{}, 1)
	l := etcdlock.New(c.clientThrough(func(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		err := invoke(ctx, method, request, reply, conn, opts...)
		if answer, ok := reply.(*etcdserverpb.RangeResponse); ok && err == nil {
			select {
			case renewed <- struct{}{}:
			default:
			}
			if deposed.Load() {
				answer.Header.RaftTerm++
			}
		}
		return err
	}), etcdlock.Options{Prefix: "/t", TTL: contendTTL})
	defer l.Close()
	held := lock(t, l, "x")
	defer held.Unlock()
	select {
	case <-renewed: // while the leader leads
	case <-time.After(30 * time.Second):
		t.Fatal("no keep-alive was followed by a read")
	}
	deposed.Store(true)
	select {
	case <-held.Lost():
	case <-time.After(30 * time.Second):
		t.Error("a deposed leader's keep-alive is believed")
	}
}
