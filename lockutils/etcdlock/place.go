package etcdlock

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/privhelper/privhelper/lockutils"
)

// place is a key in a lock's line: the one with the smallest create revision holds it.
type place struct {
	session *session
	folder  string
	key     string
	rev     int64 // the key's create revision
}

var (
	// errGone is a place that the cluster no longer has: the lease ended, or somebody deleted the key.
	errGone = errors.New("the place in line is gone")
	// errUnsure is a put whose answer did not come.
	errUnsure = errors.New("the cluster did not answer")
)

// join takes the last place in line, or, where only an empty line will do, none. owner is who holds the lock then; nil
// for the caller. The session's other places are of other locks, as the Locker has one place in each line.
func (s *session) join(ctx context.Context, folder, value string, only bool) (p *place, owner *mvccpb.KeyValue, err error) {
	key := fmt.Sprintf("%s%x", folder, int64(s.id))
	first := clientv3.OpGet(folder, clientv3.WithFirstCreate()...)
	condition := clientv3.Compare(clientv3.CreateRevision(key), "=", 0)
	if only { // a comparison over a range holds for each key in it, and so for none
		condition = clientv3.Compare(clientv3.CreateRevision(folder), "=", 0).WithPrefix()
	}
	asked, cancel := context.WithTimeout(ctx, s.ttl)
	defer cancel()
	answer, err := s.locker.client.Txn(asked).If(condition).
		Then(clientv3.OpPut(key, value, clientv3.WithLease(s.id)), first).Else(first).Commit()
	switch {
	case errors.Is(err, rpctypes.ErrLeaseNotFound):
		s.lose("the cluster has ended the lease")
		return nil, nil, errGone
	case err != nil && refused(err):
		return nil, nil, err
	case err != nil:
		s.retire(key)
		return nil, nil, fmt.Errorf("%w: %w", errUnsure, err)
	}
	if !answer.Succeeded {
		if only {
			if kvs := answer.Responses[0].GetResponseRange().Kvs; len(kvs) > 0 {
				return nil, kvs[0], lockutils.ErrBusy
			}
		}
		s.retire(key) // a key of our lease that we did not put
		return nil, nil, errUnsure
	}
	p = &place{session: s, folder: folder, key: key, rev: answer.Header.Revision}
	if kvs := answer.Responses[1].GetResponseRange().Kvs; string(kvs[0].Key) != key {
		owner = kvs[0]
	}
	return p, owner, nil
}

// wait returns when the place is the first in line; errGone when it will not be.
func (p *place) wait(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.session.ctx, cancel)()
	pause := backoff{}
	for {
		err := p.waitOnce(ctx)
		switch {
		case err == nil:
			return nil
		case p.session.ctx.Err() != nil:
			return errGone
		case ctx.Err() != nil:
			return err
		case errors.Is(err, errGone) || refused(err):
			return err
		case errors.Is(err, errAgain):
			continue
		}
		pause.wait(ctx)
	}
}

// errAgain means that the line has changed.
var errAgain = errors.New("look again")

// waitOnce looks at the line once, and waits for the place before to go. Everybody waits for another key, so that a lock
// that becomes free wakes one. A wait ends after half a TTL all the same: nothing else tells that the member asked has
// stopped in the middle of things.
func (p *place) waitOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(clientv3.WithRequireLeader(ctx), p.session.ttl/2)
	defer cancel()
	client := p.session.locker.client
	line, err := client.Txn(ctx).Then(
		clientv3.OpGet(p.key),
		clientv3.OpGet(p.folder, append(clientv3.WithLastCreate(), clientv3.WithMaxCreateRev(p.rev-1))...),
	).Commit()
	if err != nil {
		return err
	}
	own, before := line.Responses[0].GetResponseRange().Kvs, line.Responses[1].GetResponseRange().Kvs
	if len(own) == 0 || own[0].CreateRevision != p.rev {
		return errGone
	}
	if len(before) == 0 {
		return nil
	}
	for change := range client.Watch(ctx, string(before[0].Key), clientv3.WithRev(line.Header.Revision+1), clientv3.WithFilterPut()) {
		if err := change.Err(); err != nil {
			return err
		}
		if len(change.Events) > 0 {
			return errAgain
		}
	}
	return ctx.Err()
}

// leave gives the place up, and returns when that is certain. It compares the revision: where an answer was lost and the
// key is of a later place by now, nothing is deleted. It asks eight times in a TTL: the client takes the members in turn,
// and with fewer the renewals in between can make each try meet the same member, which may be one that was cut off.
func (p *place) leave() error {
	s := p.session
	ctx, cancel := context.WithTimeout(s.ctx, s.ttl)
	defer cancel()
	pause := backoff{}
	for sent := 1; ; sent++ {
		asked, cancel := context.WithTimeout(ctx, s.ttl/8)
		answer, err := s.locker.client.Txn(asked).
			If(clientv3.Compare(clientv3.CreateRevision(p.key), "=", p.rev)).
			Then(clientv3.OpDelete(p.key)).Commit()
		cancel()
		switch {
		case err == nil && !answer.Succeeded && sent == 1:
			return lockutils.ErrLost
		case err == nil:
			return nil
		case s.ctx.Err() != nil:
			return lockutils.ErrLost
		case ctx.Err() != nil || refused(err):
			s.retire(p.key)
			return err
		}
		pause.wait(ctx)
	}
}

// refused tells errors that asking again will not mend from those that may pass.
func refused(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	code := status.Code(err)
	var e rpctypes.EtcdError
	if errors.As(err, &e) {
		code = e.Code()
	}
	switch code {
	case codes.Canceled, codes.Unknown, codes.DeadlineExceeded, codes.ResourceExhausted, codes.Aborted, codes.Internal, codes.Unavailable:
		return false
	}
	return true
}

// backoff is pauses that grow, from 20 ms to a second.
type backoff struct{ last time.Duration }

func (b *backoff) wait(ctx context.Context) {
	b.last = min(max(2*b.last, 20*time.Millisecond), time.Second)
	select {
	case <-time.After(b.last):
	case <-ctx.Done():
	}
}
