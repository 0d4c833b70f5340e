package etcdlock_test

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/privhelper/privhelper/lockutils/etcdlock"
)

// contendTTL is the shortest that a cluster grants with its election timeout of a second.
const contendTTL = 2 * time.Second

// contendChild takes a lock again and again, acts at the fence that its parent has, and tells what it did and when. Its
// arguments are the lock's name and the members.
func contendChild(args []string) error {
	var sent releases
	client, err := clientv3.New(clientv3.Config{
		Endpoints: args[1:], Logger: zap.NewNop(), DialTimeout: 2 * time.Second,
		DialKeepAliveTime: 10 * time.Second, DialKeepAliveTimeout: 5 * time.Second,
		DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(sent.see)},
	})
	if err != nil {
		return err
	}
	l := etcdlock.New(client, etcdlock.Options{Prefix: "/f", TTL: contendTTL})
	tell := func(kind string, call, ret, token int64, ok, again bool) {
		fmt.Println(kind, call, ret, token, ok, again)
	}
	in := bufio.NewReader(os.Stdin)
	for {
		call := clock()
		held, err := l.Lock(context.Background(), args[0])
		if err != nil {
			return err
		}
		granted, token := clock(), held.Token()
		tell("lock", call, granted, token, false, false)
		lost := func() bool {
			call := clock()
			select {
			case <-held.Lost():
				return true
			default:
				tell("look", call, clock(), token, false, false)
				return false
			}
		}
		for range 1 + rand.IntN(5) {
			late := lost()
			call := clock()
			tell("ask", 0, 0, token, false, false)
			var ok bool
			if _, err := fmt.Fscanln(in, &ok); err != nil {
				return nil
			}
			tell("act", call, clock(), token, ok, false)
			if late { // one act more than allowed: the fence has to refuse it if the next has acted
				break
			}
			lost()
			time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
		}
		call, sent = clock(), releases{}
		if held.Unlock() != nil { // not known whether and when: at any time from the grant on
			tell("free", granted, math.MaxInt64, token, false, false)
			continue
		}
		tell("free", call, clock(), token, false, sent.again)
	}
}

// releases watches what is sent to give one lock back.
type releases struct {
	failed bool // one was sent and not answered
	again  bool // and the next found that it had been carried out
}

// see is a gRPC interceptor.
func (r *releases) see(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	err := invoke(ctx, method, request, reply, conn, opts...)
	switch {
	case !isRelease(request):
	case err != nil:
		r.failed = true
	case r.failed && !reply.(*etcdserverpb.TxnResponse).Succeeded:
		r.again = true
	}
	return err
}
