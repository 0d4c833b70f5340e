package privsep

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"

	"github.com/privhelper/privhelper/privsep/internal/strict"
)

// An Entrypoint is a typed Go function that runs in the root helper. Args and Reply are structs, or any type that can
// travel: booleans, integers, floats, strings, byte slices, slices, arrays, maps with string or integer keys, pointers,
// time.Time, time.Duration, netip addresses, File, and structs of these. Use Void for nothing.
//
// The zero Entrypoint is of no use: make one with NewEntrypoint. An Entrypoint is a value and safe for concurrent use.
type Entrypoint[Args, Reply any] struct {
	entry entry
}

// entry is an Entrypoint without its types. What is the same for all of them stands here and is compiled once, not once a
// pair of types.
type entry struct {
	context *Context
	name    string
	fence   string
	args    *strict.Plan
	reply   *strict.Plan
}

// NewEntrypoint declares an entrypoint of a context. It panics if the name is taken or malformed, and if Args or Reply
// holds something that cannot travel: interfaces, functions, channels, recursive types, unexported fields, types with
// an encoding of their own.
func NewEntrypoint[Args, Reply any](c *Context, name string) Entrypoint[Args, Reply] {
	return newEntrypoint[Args, Reply](c, name, "")
}

// NewFencedEntrypoint is NewEntrypoint for what must not be done late: each call must carry the fencing token of a lock
// (WithToken), and the helper refuses one that is lower than the greatest that the fence of this name has seen
// (CodeFenced). A rule of a policy with `fence = NAME` means the same fence, where both helpers have one folder for it
// (daemon.Options.FencePath). The name is formed as an entrypoint's is.
func NewFencedEntrypoint[Args, Reply any](c *Context, name, fence string) Entrypoint[Args, Reply] {
	mustBeName("fence", fence)
	return newEntrypoint[Args, Reply](c, name, fence)
}

func newEntrypoint[Args, Reply any](c *Context, name, fence string) Entrypoint[Args, Reply] {
	return Entrypoint[Args, Reply]{newEntry(c, name, fence, reflect.TypeFor[Args](), reflect.TypeFor[Reply]())}
}

func newEntry(c *Context, name, fence string, args, reply reflect.Type) entry {
	mustBeName("entrypoint", name)
	full := c.name + "." + name
	e := entry{
		context: c,
		name:    full,
		fence:   fence,
		args:    mustPlan(full, "arguments", args),
		reply:   mustPlan(full, "reply", reply),
	}
	c.declare(e.declaration())
	return e
}

func mustPlan(entrypoint, what string, t reflect.Type) *strict.Plan {
	plan, err := strict.NewPlan(t, reflect.TypeFor[File]())
	if err != nil {
		panic(fmt.Sprintf("privsep: entrypoint %s: %s: %v", entrypoint, what, err))
	}
	return plan
}

// Name returns the name on the wire, "context.entrypoint".
func (e Entrypoint[Args, Reply]) Name() string { return e.entry.name }

// Context returns the context that declares the entrypoint.
func (e Entrypoint[Args, Reply]) Context() *Context { return e.entry.context }

func (e *entry) declaration() Declaration {
	d := Declaration{Name: e.name, Fingerprint: e.args.Fingerprint() + " -> " + e.reply.Fingerprint()}
	if e.fence != "" {
		d.Fingerprint += " fence " + e.fence
	}
	return d
}

// Call runs the entrypoint in the helper that c speaks with and returns its reply. The context's deadline and its end
// reach the handler. Files in args stay the caller's; Files in the reply become the caller's to close.
//
// An error is a *CallError: its Outcome says whether the handler may have run, and errors.Is finds the handler's errno,
// context.DeadlineExceeded, context.Canceled, a Code, and the errors that the context declared with NewError.
func (e Entrypoint[Args, Reply]) Call(ctx context.Context, c Caller, args Args) (Reply, error) {
	var reply Reply
	err := e.entry.call(ctx, c, &args, &reply)
	return reply, err
}

// call is Call with a pointer to the arguments and one to the reply.
func (e *entry) call(ctx context.Context, c Caller, args, reply any) error {
	data, files, err := e.args.Append(nil, args, nil)
	if err != nil {
		return &CallError{Entrypoint: e.name, Code: codeOf(err, CodeBadArguments), Outcome: NotSent, Message: err.Error()}
	}
	answer, err := c.Do(ctx, Request{Entrypoint: e.name, Args: data, Files: files})
	if err != nil {
		return err
	}
	if err := e.reply.Decode(answer.Data, answer.Files, reply); err != nil {
		closeAll(answer.Files)
		return &CallError{Entrypoint: e.name, Code: codeOf(err, CodeInternal), Outcome: Answered,
			Message: "the helper's reply does not fit: " + err.Error()}
	}
	return nil
}

// codeOf is the code for data that did not travel: otherwise, unless it was well formed and too large.
func codeOf(err error, otherwise Code) Code {
	if errors.Is(err, strict.ErrTooLarge) {
		return CodeTooLarge
	}
	return otherwise
}

// A Handler is what a helper keeps for an entrypoint once its types are erased.
type Handler struct {
	Declaration
	// Fence is what a call's token is held against before Run: NewFencedEntrypoint. "": a call with a token is refused.
	Fence string
	// Measure holds arguments against their type and says how many bytes they take once decoded, without decoding them:
	// a helper that has many calls at once must know before. most is what they may take; the error is a *CallError.
	Measure func(args []byte, files, most int) (memory int, err error)
	// Run decodes the arguments, runs the handler and encodes its reply. The files it returns are the daemon's to close
	// after they were sent.
	Run func(ctx context.Context, args []byte, files []*os.File) (reply []byte, out []*os.File, err error)
}

// Bind joins an entrypoint with the function that does its work. It is daemon.Handle's half of the contract; programs
// call that.
func (e Entrypoint[Args, Reply]) Bind(run func(context.Context, Args) (Reply, error)) Handler {
	return e.entry.bind(
		func() any { return new(Args) },
		func(ctx context.Context, args any) (any, error) { return run(ctx, *args.(*Args)) })
}

// bind is Bind of a function that takes what newArgs has made, decoded, and returns a Reply.
func (e *entry) bind(newArgs func() any, run func(ctx context.Context, args any) (reply any, err error)) Handler {
	refuse := func(err error) error {
		return &CallError{Entrypoint: e.name, Code: codeOf(err, CodeBadArguments), Outcome: Answered, Message: err.Error()}
	}
	return Handler{
		Declaration: e.declaration(),
		Fence:       e.fence,
		Measure: func(data []byte, files, most int) (int, error) {
			memory, err := e.args.Measure(data, files, strict.Limits{Memory: most})
			if err != nil {
				return 0, refuse(err)
			}
			return memory, nil
		},
		Run: func(ctx context.Context, data []byte, files []*os.File) ([]byte, []*os.File, error) {
			args := newArgs()
			if err := e.args.Decode(data, files, args); err != nil {
				return nil, nil, refuse(err)
			}
			reply, err := run(ctx, args)
			if err != nil {
				return nil, nil, err
			}
			out, passed, err := e.reply.Append(nil, reply, nil)
			if err != nil { // passed is empty: files of a reply that cannot travel are closed as garbage, by os.File itself
				return nil, nil, &CallError{Entrypoint: e.name, Code: codeOf(err, CodeFailed), Outcome: Answered,
					Message: "the handler's reply cannot travel: " + err.Error()}
			}
			return out, passed, nil
		},
	}
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
