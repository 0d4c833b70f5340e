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
	// StartTimeout bounds a start, a password prompt included. 0: 30 s.
	StartTimeout time.Duration
	// CancelWait is how long a call whose context has ended waits for the helper's answer. 0: 1 s.
	CancelWait time.Duration
	// Logger receives the records of the helper's handlers, and what the helper writes to its standard error. Nil:
	// slog.Default().
	Logger *slog.Logger
}

// A Client speaks with one helper, and with its successor when it died. It is safe for concurrent use.
type Client struct {
	cfg Config

	mu       sync.Mutex
	current  *session
	starting chan struct{} // closed when the start under way is over; nil: none is
	failures int           // deaths in a row
	retryAt  time.Time
	closed   bool
}

// Start starts the helper and waits until it has confined itself and said what it serves. The error carries what the
// helper wrote to its standard error, and for sudo and doas what to write into their configuration.
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
	c := &Client{cfg: cfg}
	s, err := c.launch(ctx)
	if err != nil {
		return nil, err
	}
	c.current = s
	return c, nil
}

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
// later ones with CodeClosed.
func (c *Client) Close() error {
	c.mu.Lock()
	s, wasClosed := c.current, c.closed
	c.closed = true
	c.mu.Unlock()
	if wasClosed {
		return nil
	}
	s.end(errClosed)
	s.process.wait(c.cfg.StartTimeout)
	if closer, ok := c.cfg.Launcher.(interface{ close() }); ok {
		closer.close()
	}
	return nil
}

const errClosed = privsep.CodeClosed

// The pauses before a helper that keeps dying is started again.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 10 * time.Second
	steadyLife = 10 * time.Second // a helper that lived this long starts the count anew
)

// session returns the connection to a living helper, starting one if need be. One caller starts, the others wait.
func (c *Client) session(ctx context.Context) (*session, error) {
	for {
		c.mu.Lock()
		switch s := c.current; {
		case c.closed:
			c.mu.Unlock()
			return nil, errClosed
		case s.alive():
			c.mu.Unlock()
			return s, nil
		case c.starting != nil:
			wait := c.starting
			c.mu.Unlock()
			select {
			case <-wait:
				continue
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		done := make(chan struct{})
		c.starting = done
		if time.Since(c.current.began) > steadyLife {
			c.failures = 0
		}
		pause := time.Until(c.retryAt)
		c.mu.Unlock()
		s, err := c.restart(ctx, pause)
		c.mu.Lock()
		c.starting = nil
		close(done)
		if err == nil && c.closed {
			c.mu.Unlock()
			s.end(errClosed)
			return nil, errClosed
		}
		if err == nil {
			c.current = s
		}
		c.failures++
		c.retryAt = time.Now().Add(min(firstPause<<min(c.failures-1, 10), lastPause))
		c.mu.Unlock()
		return s, err
	}
}

func (c *Client) restart(ctx context.Context, pause time.Duration) (*session, error) {
	if pause > 0 {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return c.launch(ctx)
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
	s, err := c.session(ctx)
	if err != nil {
		return privsep.Answer{}, notSent(r.Entrypoint, err)
	}
	return s.call(ctx, r, started, c.cfg.CancelWait)
}

// notSent is the error of a call that the helper never saw.
func notSent(entrypoint string, err error) error {
	e := privsep.ErrorFrom(entrypoint, err)
	if code, ok := err.(privsep.Code); ok {
		e.Code = code
	}
	e.Outcome = privsep.NotSent
	return e
}
