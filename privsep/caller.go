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
}

// An Answer is the encoded reply to a Request.
type Answer struct {
	Data  []byte     // the reply, one msgpack value
	Files []*os.File // the open files that Data names
}
