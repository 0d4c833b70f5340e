// Package client is the service's half: it starts a root helper, calls its entrypoints and runs its filtered commands.
// It runs as the service's user, and links nothing of what runs as root.
//
//	c, err := client.Start(ctx, client.Config{
//		Launcher: client.Sudo("/usr/libexec/netservice-helper"),
//		Contexts: []*privsep.Context{netpriv.Net},
//	})
//	defer c.Close()
//	_, err = netpriv.SetMTU.Call(ctx, c, netpriv.SetMTUArgs{Link: "eth0", MTU: 9000})
//	out, err := c.Command("ip", "link", "show").Output()
//
// A helper that dies is started again by the next call. What was under way ends in a *privsep.CallError whose Outcome
// says whether it may have run; nothing is ever sent twice.
package client

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/internal/wire"
)

// Config says which helper to start and how to treat it.
type Config struct {
	// Launcher starts the helper. Required.
	Launcher Launcher
	// Contexts are those whose entrypoints will be called. What the helper says it serves is compared with them: a
	// missing entrypoint, or one of other types, fails the start by name.
	Contexts []*privsep.Context
	// StartTimeout bounds a start, a password prompt included; then Start ends in ErrStartTimeout. 0: 30 s.
	StartTimeout time.Duration
	// CancelWait is how long a call whose context has ended waits for the helper's answer. 0: 1 s.
	CancelWait time.Duration
	// Logger receives the records of the helper's handlers, and what the helper writes to its standard error, one after
	// the other from a goroutine of its own: its handler may call this client. Records that come faster than it takes
	// them are dropped, and a record says how many. Nil: slog.Default().
	Logger *slog.Logger
}

// A Client speaks with one helper, and with its successor when it died. It is safe for concurrent use.
type Client struct {
	cfg  Config
	logs *logQueue

	mu       sync.Mutex
	current  *session
	starting *restart // under way; nil: none is
	failures int      // starts in a row after which the helper did not live long
	retryAt  time.Time
	closed   bool

	life context.Context // ends with Close
	end  context.CancelFunc
}

// Start starts the helper and waits until it has confined itself and said what it serves. The error carries what the
// helper wrote to its standard error, and for sudo and doas what to write into their configuration. errors.Is finds
// ErrStartTimeout where the helper did not serve in time, and context.DeadlineExceeded or context.Canceled only where ctx
// ended before.
func Start(ctx context.Context, cfg Config) (*Client, error) {
	if cfg.StartTimeout == 0 {
		cfg.StartTimeout = 30 * time.Second
	}
	if cfg.CancelWait == 0 {
		cfg.CancelWait = time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	c := &Client{cfg: cfg, logs: newLogQueue(cfg.Logger.Handler())}
	s, err := c.launch(ctx)
	if err != nil {
		c.closeLauncher()
		c.logs.close(0)
		return nil, err
	}
	c.life, c.end = context.WithCancel(context.Background())
	c.current = s
	return c, nil
}

// ErrStartTimeout says that a helper did not serve within Config.StartTimeout: it waits for a password, perhaps, or is no
// root helper.
var ErrStartTimeout = errors.New("it did not say that it serves within StartTimeout")

// Helper is what the client knows of its helper: what it said when it began to serve.
type Helper struct {
	Context     string               // the helper's context; "" where it only runs commands
	PID         int                  // as the helper sees itself
	UID, GID    uint32               //
	Groups      []uint32             // supplementary
	Keep        privsep.Capabilities // permitted and effective, in every thread
	Bounding    privsep.Capabilities // the most that its commands get
	NoNewPrivs  bool                 // nothing it starts gains privileges by its file
	Policy      string               // hash of its policy; "" without commands
	Trees       string               // how a command's processes are known and ended; "" without commands
	Entrypoints []privsep.Declaration
}

// Helper describes the helper that serves now, or served last.
func (c *Client) Helper() Helper {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.current.hello
	return Helper{Context: h.Context, PID: h.PID, UID: h.UID, GID: h.GID, Groups: h.Groups, Keep: h.Keep, Bounding: h.Bounding,
		NoNewPrivs: h.NoNewPrivs, Policy: h.Policy, Trees: h.Trees, Entrypoints: h.Entrypoints}
}

// Close ends the helper and every command that it runs for us, and waits for it. Calls in flight end with CodeLost,
// later ones with CodeClosed. Records that its Logger has not taken by then are waited for CancelWait long.
func (c *Client) Close() error {
	c.mu.Lock()
	wasClosed, starting := c.closed, c.starting
	c.closed = true
	c.mu.Unlock()
	if wasClosed {
		return nil
	}
	c.end()
	if starting != nil {
		<-starting.done
	}
	c.mu.Lock()
	s := c.current
	c.mu.Unlock()
	s.end(errClosed)
	s.process.wait(c.cfg.StartTimeout)
	c.closeLauncher()
	c.logs.close(c.cfg.CancelWait)
	return nil
}

func (c *Client) closeLauncher() {
	if closer, ok := c.cfg.Launcher.(interface{ close() }); ok {
		closer.close()
	}
}

const errClosed = privsep.CodeClosed

// The pauses before a helper that keeps dying is started again.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 10 * time.Second
	steadyLife = 10 * time.Second // a helper that lived this long starts the count anew
)

// A restart is one attempt to start the helper again. It goes on when the call that began it gives up: a caller with a
// short deadline would never see a helper that takes longer to start.
type restart struct {
	done chan struct{} // closed when s and err are there
	s    *session
	err  error
}

// session returns the connection to a living helper, starting one if need be. All who wait for one start share its end.
func (c *Client) session(ctx context.Context) (*session, error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, errClosed
	}
	if s := c.current; s.alive() {
		c.mu.Unlock()
		return s, nil
	}
	r := c.starting
	if r == nil {
		r = &restart{done: make(chan struct{})}
		c.starting = r
		go c.restart(r, c.current.lived())
	}
	c.mu.Unlock()
	select {
	case <-r.done:
		return r.s, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// restart starts the helper after the pause that its deaths so far ask for.
func (c *Client) restart(r *restart, lived time.Duration) {
	c.mu.Lock()
	if lived > steadyLife && c.failures > 0 && c.retryAt.Before(c.current.ended) {
		c.failures = 0
	}
	pause := time.NewTimer(time.Until(c.retryAt))
	c.mu.Unlock()
	defer pause.Stop()
	select {
	case <-pause.C:
		r.s, r.err = c.launch(c.life)
	case <-c.life.Done():
		r.err = errClosed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.err == nil {
		c.current = r.s
	}
	if c.closed {
		r.err = errClosed // Close ends the session
	}
	c.failures++
	c.retryAt = time.Now().Add(min(firstPause<<min(c.failures-1, 10), lastPause))
	c.starting = nil
	close(r.done)
}

var _ privsep.Caller = (*Client)(nil)

// Do carries one request to the helper: privsep.Caller. Programs call an Entrypoint's Call.
func (c *Client) Do(ctx context.Context, r privsep.Request) (privsep.Answer, error) {
	return c.do(ctx, r, nil)
}

// do is Do with a function that hears of the command that the call starts.
func (c *Client) do(ctx context.Context, r privsep.Request, started func(*pending, wire.Started)) (privsep.Answer, error) {
	if err := ctx.Err(); err != nil {
		return privsep.Answer{}, notSent(r.Entrypoint, err)
	}
	for again := true; ; again = false {
		s, err := c.session(ctx)
		if err != nil {
			return privsep.Answer{}, notSent(r.Entrypoint, err)
		}
		answer, failure := s.call(ctx, r, started, c.cfg.CancelWait)
		// A helper that died unnoticed between two calls: nothing of this one has left, and a new helper takes it.
		if again && failure != nil && failure.Outcome == privsep.NotSent && failure.Code == privsep.CodeLost {
			s.end(failure)
			continue
		}
		if failure != nil {
			return privsep.Answer{}, failure
		}
		return answer, nil
	}
}

// notSent is the error of a call that the helper never saw.
func notSent(entrypoint string, err error) *privsep.CallError {
	e := privsep.ErrorFrom(entrypoint, err)
	if code, ok := err.(privsep.Code); ok {
		e.Code = code
	}
	e.Outcome = privsep.NotSent
	return e
}
