package etcdlock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/privhelper/privhelper/lockutils"
)

// Options say how a Locker uses a cluster. The zero value is ready.
type Options struct {
	// Prefix is put, with a slash behind it, before the names of the locks. It is a key as etcd's are: `/netservice` is not
	// `netservice`.
	Prefix string
	// TTL is after how long without word from this process its locks are free for others. Zero means 10 s. It is rounded
	// up to seconds, and the cluster raises what is less than it can keep (1.5 times its election timeout).
	TTL time.Duration
	// Logger gets a warning when locks are lost, and a debug record for each taken and given back. Nil logs nothing.
	Logger *slog.Logger
}

// ErrClosed is returned for a lock asked of a Locker that was closed.
var ErrClosed = errors.New("locker is closed")

// Locker is the locks under one prefix in one cluster. It is safe for concurrent use. Its goroutines stand in line in
// the process, and have one place together in the cluster's line. Two Lockers exclude each other, in one process too.
type Locker struct {
	client *clientv3.Client
	owned  bool // Close closes client
	opts   Options
	ttl    time.Duration
	host   string
	queue  lockutils.Keys

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	door   chan struct{} // holds one value while a session is being opened

	mu       sync.Mutex
	sessions map[*session]struct{}
	current  *session
}

var _ lockutils.Locker = (*Locker)(nil)

// New makes a Locker of a client, which stays the caller's: Close leaves it open. Nothing is asked of the cluster before
// the first lock.
func New(client *clientv3.Client, opts Options) *Locker {
	l := &Locker{client: client, opts: opts, ttl: 10 * time.Second, host: hostname(), door: make(chan struct{}, 1)}
	if opts.TTL > 0 {
		l.ttl = (opts.TTL + time.Second - 1).Truncate(time.Second)
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.sessions = map[*session]struct{}{}
	return l
}

// Lock waits until the lock is held, or ctx ends, through every failure of the cluster that can pass. When ctx ends
// first it returns a *lockutils.WaitError, which for a deadline says who holds the lock, and what kept the cluster from
// answering if that was it. With a ctx of Held.Context of the same lock it returns a *lockutils.DeadlockError. Other
// errors are what the cluster refuses for good (package go.etcd.io/etcd/api/v3/v3rpc/rpctypes), and ErrClosed.
func (l *Locker) Lock(ctx context.Context, name string) (*lockutils.Held, error) {
	return l.acquire(ctx, name, false)
}

// TryLock is Lock that waits for no holder: where somebody has the lock, or waits for it, the error is a
// *lockutils.WaitError that wraps lockutils.ErrBusy. It waits for the cluster's answer, until ctx ends.
func (l *Locker) TryLock(ctx context.Context, name string) (*lockutils.Held, error) {
	return l.acquire(ctx, name, true)
}

// Close gives up all locks that are still held, whose Lost is closed first, and frees them in the cluster if that
// answers within a TTL; if not, they are free when the TTL is over, and the error says why.
func (l *Locker) Close() error {
	l.cancel()
	l.mu.Lock()
	open := make([]*session, 0, len(l.sessions))
	for s := range l.sessions {
		open = append(open, s)
	}
	l.current = nil
	l.mu.Unlock()
	var errs []error
	for _, s := range open {
		errs = append(errs, s.end())
	}
	if l.owned {
		errs = append(errs, l.client.Close())
	}
	return errors.Join(errs...)
}

// folder returns the key, with a slash at its end, under which the places in a lock's line are. A slash in the name is
// escaped: etcd looks for the places by prefix, and those of `a/b` would be in the line of `a`.
func (l *Locker) folder(name string) (string, error) {
	switch {
	case name == "":
		return "", &lockutils.NameError{Name: name, Reason: "is empty"}
	case len(name) > 1024:
		return "", &lockutils.NameError{Name: name[:32] + "…", Reason: "is longer than 1024 bytes"}
	}
	return strings.TrimSuffix(l.opts.Prefix, "/") + "/" + url.PathEscape(name) + "/", nil
}

// session returns the session that new places are of, with one more use of it; the first, and the first after one has
// ended, opens it.
func (l *Locker) session(ctx context.Context) (*session, error) {
	select {
	case l.door <- struct{}{}:
		defer func() { <-l.door }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if l.ctx.Err() != nil {
		return nil, ErrClosed
	}
	l.mu.Lock()
	s := l.current
	l.mu.Unlock()
	if s != nil && s.use() {
		return s, nil
	}
	s, err := l.openSession(ctx)
	if err != nil {
		return nil, err
	}
	s.use()
	l.mu.Lock()
	l.current = s
	l.sessions[s] = struct{}{}
	l.mu.Unlock()
	if l.ctx.Err() != nil { // closed meanwhile, and perhaps not seen by Close
		return nil, errors.Join(ErrClosed, s.end())
	}
	return s, nil
}

func (l *Locker) log(ctx context.Context, level slog.Level, text string, args ...any) {
	if l.opts.Logger != nil {
		l.opts.Logger.Log(ctx, level, text, args...)
	}
}

func unlockError(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("unlock %q: %w", name, err)
}
