package daemon

import (
	"context"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/internal/wire"
)

// A call is one request of the client from its CALL until it is answered and its handler has returned.
type call struct {
	server   *server
	id       uint64
	handler  *privsep.Handler
	token    int64 // the fencing token; 0: none
	args     []byte
	deadline time.Time // zero: none

	// From here on a call that waits has none of these: thousands may wait.
	ctx     context.Context
	cancel  context.CancelFunc
	settled func() bool // from now on nobody answers in the handler's place

	beganAt atomic.Int64         // when its handler was called, in nanoseconds since the server began; 0: it was not
	work    atomic.Pointer[work] // what its handler said of its command; nil: nothing

	mu       sync.Mutex
	files    []*os.File // to be closed when the handler returns
	answered bool

	// The rest is guarded by the server's lock, which is taken first.
	list       *callList // where it stands
	prev, next *call
	due        int          // its place in the deadlines, from 1; 0: none
	timer      *time.Timer  // when its handler has been given time enough after its context ended
	code       privsep.Code // how it is answered without its handler
	load       load
	signals    chan syscall.Signal // nil: nobody has asked for one
	holders    int                 // its handler or its place in the queue; its answer, where that is not the handler's
	stuck      bool                // answered without its handler, which has not returned
	released   bool                // its handler has returned
}

type callKey struct{}

func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// Detach takes an open file of the arguments out of the daemon's hands: it stays open when the handler returns, and is
// the handler's to close. A file that did not come with this call is returned as it is.
func Detach(ctx context.Context, f privsep.File) *os.File {
	if c := callOf(ctx); c != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if i := slices.Index(c.files, f.File); i >= 0 {
			c.files = slices.Delete(c.files, i, i+1)
		}
	}
	return f.File
}

// closeFiles closes what came with the call and was not detached.
func (c *call) closeFiles() {
	c.mu.Lock()
	defer c.mu.Unlock()
	closeAll(c.files)
	c.files = nil
}

// claim gives the right to answer, once.
func (c *call) claim() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := !c.answered
	c.answered = true
	return first
}

// answer sends the call's one answer, if nobody has. It reports whether this was it.
func (c *call) answer(m wire.Message, files []*os.File) bool {
	if !c.claim() {
		return false
	}
	s := c.server
	code := privsep.Code("")
	if e, failed := m.(wire.Error); failed {
		code = e.Code
	}
	s.ended(c, code)
	s.mu.Lock()
	delete(s.calls, c.id) // before it is sent: the client may use the id again as soon as it has the answer
	s.mu.Unlock()
	s.reply(c, m, files)
	return true
}

// fail answers with an error.
func (c *call) fail(err error) bool { return c.answer(errorOf(c, err), nil) }

// errorOf is the answer to a call that failed.
func errorOf(c *call, err error) wire.Error {
	e := privsep.ErrorFrom(c.handler.Name, err)
	return wire.Error{ID: c.id, Code: e.Code, Errno: e.Errno, Message: e.Message}
}

// Started tells the client that the call has started a command. It is for handlers that run one.
func Started(ctx context.Context, pid int, rule string) {
	c := callOf(ctx)
	if c == nil {
		return
	}
	c.say(func(w *work) { w.pid, w.rule = pid, rule })
	// Sent under the lock, so that it comes before the answer or, where that has gone already, not at all: a client
	// ends the connection over a message for a call that is answered. A client that does not read holds it up until ctx
	// ends, and no longer, or its command could not be ended.
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.answered {
		_, _ = c.server.conn.Send(ctx, wire.Started{ID: c.id, PID: pid, Rule: rule}, nil)
	}
}

// Slow says that the handler is about to wait for something. Other requests are then read at once, and not only when it has run
// for a millisecond; which of the two makes no other difference. Outside of a handler it does nothing.
func Slow(ctx context.Context) {
	if c := callOf(ctx); c != nil {
		c.server.readOn(c)
	}
}

// Signals returns the signals that the client sends to the call's command; nil where there is no client.
func Signals(ctx context.Context) <-chan syscall.Signal {
	if c := callOf(ctx); c != nil {
		c.server.mu.Lock()
		defer c.server.mu.Unlock()
		return c.signalled()
	}
	return nil
}

// signalled is where the client's signals wait for the handler: made when the first of the two comes, since few handlers
// have a command. The server's lock is held.
func (c *call) signalled() chan syscall.Signal {
	if c.signals == nil {
		c.signals = make(chan syscall.Signal, 32)
	}
	return c.signals
}

// Caller returns a Caller by which a handler calls another handler of the same helper: in place, on its own goroutine
// and in its own slot, so that handlers which call each other cannot wait for each other's slots. Arguments and replies
// are copied as if they had travelled, open files included, and Detach, Log, Started and Signals work in the handler
// called. Outside of a handler every call fails with CodeNoEntrypoint.
func Caller(ctx context.Context) privsep.Caller { return inPlace{callOf(ctx)} }

type inPlace struct{ of *call }

func (p inPlace) Do(ctx context.Context, r privsep.Request) (privsep.Answer, error) {
	if p.of == nil {
		return privsep.Answer{}, &privsep.CallError{Entrypoint: r.Entrypoint, Code: privsep.CodeNoEntrypoint, Outcome: privsep.NotSent,
			Message: "called outside of a handler"}
	}
	h := p.of.server.handlers[r.Entrypoint]
	if h == nil {
		return privsep.Answer{}, noEntrypoint(r.Entrypoint)
	}
	if err := ctx.Err(); err != nil {
		e := privsep.ErrorFrom(r.Entrypoint, err)
		e.Outcome = privsep.NotSent
		return privsep.Answer{}, e
	}
	files, err := duplicate(r.Files)
	if err != nil {
		return privsep.Answer{}, &privsep.CallError{Entrypoint: r.Entrypoint, Code: privsep.CodeBadArguments, Outcome: privsep.NotSent, Message: err.Error()}
	}
	// A call of its own for the files that it may detach; for the client it is the one that it made.
	inner := &call{server: p.of.server, id: p.of.id, handler: h, token: r.Token, files: slices.Clone(files)}
	p.of.server.mu.Lock()
	inner.signals = p.of.signalled()
	p.of.server.mu.Unlock()
	defer inner.closeFiles()
	reply, out, err := h.Run(context.WithValue(ctx, callKey{}, inner), r.Args, files)
	if err != nil {
		return privsep.Answer{}, privsep.ErrorFrom(r.Entrypoint, err)
	}
	// The reply's files are the handler's own, handed over as they would be to a client. One that was among the
	// arguments closes with them, so it is copied.
	for i, f := range out {
		if inner.owns(f) {
			again, err := duplicate([]*os.File{f})
			if err != nil {
				closeAll(out)
				return privsep.Answer{}, privsep.ErrorFrom(r.Entrypoint, err)
			}
			out[i] = again[0]
		}
	}
	return privsep.Answer{Data: reply, Files: out}, nil
}

// owns reports whether a file of the arguments closes with the call.
func (c *call) owns(f *os.File) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Contains(c.files, f)
}

func noEntrypoint(name string) *privsep.CallError {
	return &privsep.CallError{Entrypoint: name, Code: privsep.CodeNoEntrypoint, Outcome: privsep.Answered,
		Message: "this helper has no such entrypoint"}
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
