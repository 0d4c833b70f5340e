package etcdlock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// session is a lease, and what is known of how long it lasts. All places of a Locker are of one session, until it is
// lost or retired.
type session struct {
	locker *Locker
	id     clientv3.LeaseID
	ttl    time.Duration
	lost   chan struct{}
	alarm  *alarm
	ctx    context.Context // ends when lost
	cancel context.CancelFunc
	kick   chan struct{} // makes keep look at once

	mu       sync.Mutex
	until    time.Duration // on the clock of now: before it the lease cannot have ended
	gone     bool          // lost is closed
	retired  bool          // no new places
	uses     int
	unwanted map[string]struct{} // keys that may yet come to be
}

// errStale is a renewal that a deposed leader may have answered.
var errStale = errors.New("the cluster changed its leader during a keep-alive")

// margin is how long before the earliest end of a lease its locks are given up: for clocks that run apart, and for what
// a holder does between looking and acting.
func margin(ttl time.Duration) time.Duration { return max(ttl/10, 200*time.Millisecond) }

// openSession waits for a lease until ctx ends.
func (l *Locker) openSession(ctx context.Context) (*session, error) {
	asked, cancel := context.WithTimeout(ctx, l.ttl)
	defer cancel()
	sent := now()
	lease, err := l.client.Grant(asked, int64(l.ttl/time.Second))
	if err != nil {
		return nil, err
	}
	s := &session{
		locker: l, id: lease.ID, ttl: time.Duration(lease.TTL) * time.Second,
		lost: make(chan struct{}), kick: make(chan struct{}, 1), unwanted: map[string]struct{}{},
	}
	s.until = sent + s.ttl - margin(s.ttl)
	if s.alarm, err = newAlarm(); err != nil {
		return nil, fmt.Errorf("clock of leases: %w", err)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	go s.watch()
	go s.keep()
	return s, nil
}

// use counts one more place, unless the session takes none any more.
func (s *session) use() bool {
	s.look()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone || s.retired {
		return false
	}
	s.uses++
	return true
}

// drop counts one place less. A retired session ends with its last.
func (s *session) drop() {
	s.mu.Lock()
	s.uses--
	over := s.retired && s.uses == 0 && !s.gone
	s.mu.Unlock()
	if over {
		go s.end()
	}
}

// retire keeps new places out of the session: the answer to a put of key did not come, and the put may still be carried
// out at any time while the lease lives. Until then the key is deleted whenever it is there. The caller has a use.
func (s *session) retire(key string) {
	s.mu.Lock()
	s.retired = true
	s.unwanted[key] = struct{}{}
	s.mu.Unlock()
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// look closes lost if it is time.
func (s *session) look() {
	s.mu.Lock()
	over := !s.gone && now() >= s.until
	s.mu.Unlock()
	if over {
		s.lose("the cluster did not answer in time")
	}
}

// lose closes lost, once.
func (s *session) lose(why string) {
	s.mu.Lock()
	first := !s.gone
	if first {
		s.gone = true
		close(s.lost)
	}
	held := s.uses
	s.mu.Unlock()
	if !first {
		return
	}
	s.cancel()
	s.alarm.close()
	if held > 0 {
		s.locker.log(s.locker.ctx, slog.LevelWarn, "locks lost", "why", why, "lease", fmt.Sprintf("%x", int64(s.id)), "locks", held)
	}
}

// end gives the lease up, and so all its places.
func (s *session) end() error {
	s.lose("given up")
	ctx, cancel := context.WithTimeout(context.Background(), s.ttl)
	defer cancel()
	_, err := s.locker.client.Revoke(ctx, s.id)
	s.locker.mu.Lock()
	delete(s.locker.sessions, s)
	s.locker.mu.Unlock()
	if err != nil && !errors.Is(err, rpctypes.ErrLeaseNotFound) {
		return fmt.Errorf("revoke the lease of locks: %w", err)
	}
	return nil
}

// watch loses the session when its time is over. That the lease is given up then too is for those who wait: the cluster
// may have heard a keep-alive whose answer did not come.
func (s *session) watch() {
	for s.ctx.Err() == nil {
		s.mu.Lock()
		until := s.until
		s.mu.Unlock()
		if err := s.alarm.wait(until); err != nil {
			s.lose("the alarm that would tell: " + err.Error()) // changes nothing where it is closed because of that
		}
		s.look()
	}
	if s.locker.ctx.Err() == nil {
		s.end()
	}
}

// keep renews the lease three times in a TTL, and sooner where it did not work, and deletes what is unwanted.
func (s *session) keep() {
	pause := s.ttl / 3
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.kick:
		case <-time.After(pause):
		}
		pause = s.ttl / 3
		ctx, cancel := context.WithTimeout(s.ctx, s.ttl/4)
		err := s.renew(ctx)
		cancel()
		if errors.Is(err, rpctypes.ErrLeaseNotFound) {
			s.lose("the cluster has ended the lease")
			return
		}
		if err != nil {
			s.locker.log(s.ctx, slog.LevelDebug, "keep-alive of locks failed", "err", err)
			pause = s.ttl / 30
		}
		s.sweep()
	}
}

// renew asks for another TTL, once. It is not the client's KeepAlive, which does not tell when an answered request was
// sent, nor its KeepAliveOnce, which asks again without a pause where no member can be reached.
//
// A leader that was cut off from the others goes on renewing leases until it notices, for up to an election timeout in
// which its successor may have begun to count. So the answer holds only if a read of the majority, after it, still is of
// the same term.
func (s *session) renew(ctx context.Context) error {
	stream, err := clientv3.RetryLeaseClient(s.locker.client).LeaseKeepAlive(ctx)
	if err != nil {
		return rpctypes.Error(err)
	}
	sent := now()
	if err := stream.Send(&etcdserverpb.LeaseKeepAliveRequest{ID: int64(s.id)}); err != nil {
		return rpctypes.Error(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		return rpctypes.Error(err)
	}
	if answer.TTL <= 0 {
		return rpctypes.ErrLeaseNotFound
	}
	read, err := s.locker.client.Get(ctx, s.locker.opts.Prefix+"/", clientv3.WithCountOnly())
	if err != nil {
		return err
	}
	if read.Header.RaftTerm != answer.Header.GetRaftTerm() {
		return errStale
	}
	ttl := time.Duration(answer.TTL) * time.Second
	s.look() // what came too late changes nothing
	s.mu.Lock()
	s.until = max(s.until, sent+ttl-margin(ttl))
	s.mu.Unlock()
	return nil
}

// sweep deletes the unwanted keys that have come to be. They stay unwanted: their puts may still be on their way.
func (s *session) sweep() {
	s.mu.Lock()
	keys := slices.Collect(maps.Keys(s.unwanted))
	s.mu.Unlock()
	for _, key := range keys {
		ctx, cancel := context.WithTimeout(s.ctx, s.ttl/4)
		_, err := s.locker.client.Delete(ctx, key)
		cancel()
		if err != nil {
			s.locker.log(s.ctx, slog.LevelDebug, "unwanted key of locks", "key", key, "err", err)
		}
	}
}
