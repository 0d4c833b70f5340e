package etcdlock_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/privhelper/privhelper/lockutils"
	"github.com/privhelper/privhelper/lockutils/etcdlock"
)

// isRelease tells a release from what else a Locker asks: it alone is a transaction of one deletion.
func isRelease(request any) bool {
	txn, ok := request.(*etcdserverpb.TxnRequest)
	return ok && len(txn.Success) == 1 && txn.Success[0].GetRequestDeleteRange() != nil
}

// A release that is on its way for long, while one sent after it was answered, comes when the same process holds the lock
// again, by the same key: it deletes nothing.
func TestLateRelease(t *testing.T) {
	c := startCluster(t, 1)
	other := c.open("/l")
	var late func() (bool, error) // delivers the release that was held up
	l := etcdlock.New(c.clientThrough(func(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		if late != nil || !isRelease(request) {
			return invoke(ctx, method, request, reply, conn, opts...)
		}
		late = func() (bool, error) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			answer := &etcdserverpb.TxnResponse{}
			err := invoke(ctx, method, request, answer, conn)
			return answer.Succeeded, err
		}
		return status.Error(codes.Unavailable, "held up")
	}), etcdlock.Options{Prefix: "/l"})
	defer l.Close()
	unlock(t, lock(t, l, "x"))
	if late == nil {
		t.Fatal("no release was seen")
	}
	again := lock(t, l, "x")
	if deleted, err := late(); deleted || err != nil {
		t.Errorf("the late release deleted: %v, %v", deleted, err)
	}
	if _, err := other.TryLock(t.Context(), "x"); !errors.Is(err, lockutils.ErrBusy) {
		t.Errorf("the lock, held again: %v", err)
	}
	unlock(t, again)
}
