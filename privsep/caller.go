package privsep

import (
	"context"
	"os"
)

// A Caller carries requests to a helper. *client.Client is one; within a handler daemon.Caller(ctx) gives another,
// which runs the handler called in place.
type Caller interface {
	// Do sends one request and returns its answer. Files of the request stay the caller's, files of the answer become
	// the caller's. The error is a *CallError. Do is safe for concurrent use.
	Do(ctx context.Context, r Request) (Answer, error)
}

// A Request is one encoded call: what Entrypoint.Call hands to a Caller.
type Request struct {
	Entrypoint string     // "context.entrypoint"
	Args       []byte     // the arguments, one msgpack value
	Files      []*os.File // the open files that Args names by their place in this list
	Token      int64      // the fencing token; 0: none. It is never negative
}

// WithToken returns a Caller whose requests carry a fencing token, as Held.Token of a lock between machines gives it: for
// what may be done only as long as nobody else has held the lock since. 0 is none.
//
//	_, err := volumes.Attach.Call(ctx, privsep.WithToken(c, held.Token()), args)
//	if errors.Is(err, privsep.CodeFenced) {
//		return err // the lock was lost, and another has used it: nothing was done
//	}
//
// An entrypoint without a fence refuses every token: who sends one relies on its being looked at.
func WithToken(c Caller, token int64) Caller { return tokenCaller{c, token} }

type tokenCaller struct {
	caller Caller
	token  int64
}

func (c tokenCaller) Do(ctx context.Context, r Request) (Answer, error) {
	r.Token = c.token
	return c.caller.Do(ctx, r)
}

// An Answer is the encoded reply to a Request.
type Answer struct {
	Data  []byte     // the reply, one msgpack value
	Files []*os.File // the open files that Data names
}
