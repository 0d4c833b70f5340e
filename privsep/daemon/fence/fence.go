//go:build linux

// Package fence keeps a root helper from acting late: for a client that has lost its lock to another and does not know it
// yet. It runs as root.
//
//	fences, err := fence.Open(fence.Options{Path: "/var/lib/privhelper/fence", Names: []string{"bridge"}})
//	if err != nil {
//		return err
//	}
//	pass, err := fences.Enter(ctx, "bridge", token)
//	if err != nil {
//		return err // a *fence.Error: the token is older than one seen before
//	}
//	defer pass.Leave()
//	return act(ctx)
//
// A fence is the greatest token that any helper of this machine has seen, in a file that all of them share. What Enter
// promises of two acts under one fence, in whatever helpers: the act of a greater token begins when every act of a smaller
// one has ended, and none begins after it. So the decision and the act cannot be separated: no other act comes to lie
// between them. Acts of the same token, the same holder's, go on beside each other.
//
// The road not taken is one exclusive lock around decision and act: it would make a holder wait for itself, and a
// handler that calls another under the same fence wait for ever.
package fence

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"time"

	"github.com/privhelper/privhelper/internal/trust"
	"github.com/privhelper/privhelper/privsep"
)

// Options say which fences there are, and where. The zero value has none.
type Options struct {
	// Path is the folder of their files, absolute. It is made where it does not exist, as are the files of fences that were
	// never used. It must outlive whoever may hold an old token: not below /run, if clients are restored from a snapshot.
	Path string
	// Names are the fences that may be entered: names of files that begin with no dot.
	Names []string
	// Rules say whom else than root and this process's user the folder and those above it may belong to.
	Rules trust.Rules
	// Owner is who writes the files from now on, where this process is about to become another user; nil: this process's.
	Owner *Owner
}

// An Owner is a user with its group.
type Owner struct{ UID, GID uint32 }

// Fences are open: what it takes to enter them was opened, and no right that the process gives up afterwards is needed.
// They may be used by many goroutines. Nil has none.
type Fences struct {
	dir *os.File
	all map[string]*fence
}

// Open makes the folder and the files as far as they do not exist, and opens the folder. Without Names it returns nil. The
// error is a *trust.Error where somebody else could write there, and else the kernel's.
func Open(opt Options) (*Fences, error) {
	if len(opt.Names) == 0 {
		return nil, nil
	}
	own := Owner{uint32(os.Geteuid()), uint32(os.Getegid())}
	if opt.Owner == nil {
		opt.Owner = &own
	}
	dir, err := openFolder(opt, own)
	if err != nil {
		return nil, fmt.Errorf("folder of fences: %w", err)
	}
	f := &Fences{dir: dir, all: map[string]*fence{}}
	for _, name := range opt.Names {
		if name == "" || name[0] == '.' || strings.Contains(name, "/") {
			dir.Close()
			return nil, fmt.Errorf("fence %q: the name of a file is needed that begins with no dot", name)
		}
		f.all[name] = &fence{dir: dir, name: name, turn: make(chan struct{}, 1)}
	}
	if err := f.make(*opt.Owner); err != nil {
		dir.Close()
		return nil, fmt.Errorf("fences in %s: %w", opt.Path, err)
	}
	return f, nil
}

// Close gives the folder back. Those who have entered stay. Nil has none.
func (f *Fences) Close() error {
	if f == nil {
		return nil
	}
	return f.dir.Close()
}

// greatest is the greatest token: each has a byte of the lock file, and the kernel counts bytes by int64.
const greatest = math.MaxInt64 - 1

// Enter lets the caller act under a fence, once the token was found to be none that is too old and, if it is greater than
// all before, was written down and synced; and when no act of a smaller one runs any more, for which it waits until ctx
// ends. The caller acts, and calls Leave when the act has ended.
//
// Where there is no fence (name is empty) there must be no token, and the Pass is nil: a client that sends one relies on
// its being looked at, and would not hear that a policy has lost its fence. Where there is one, there must be a token.
//
// The error is an *Error.
func (f *Fences) Enter(ctx context.Context, name string, token int64) (*Pass, error) {
	e := &Error{Name: name, Token: token}
	switch {
	case name == "" && token == 0:
		return nil, nil
	case name == "":
		e.Told = "a fencing token came with what has no fence: nothing would look at it"
	case token == 0:
		e.Told = "a fencing token is needed, and none came: it is the lock's (Held.Token; a file's lock has none), and travels by " +
			"privsep.WithToken, Cmd.Token or run --fence-token; rootwrap's protocols cannot carry one"
	case token < 0 || token > greatest:
		e.Told = fmt.Sprintf("%d is no fencing token", token)
	case f == nil || f.all[name] == nil:
		e.Err = errors.New("it was not opened")
	default:
		return f.all[name].enter(ctx, e)
	}
	return nil, e
}

// fence is one of them.
type fence struct {
	dir  *os.File
	name string
	turn chan struct{} // room for one: who looks at the file; other processes are kept out by a lock
}

// enter does what Enter promises, in this order: nobody else looks at the number; the number is judged, and raised; the
// token's own byte of the lock file is locked, shared by all its acts; the number is free for others; and then the bytes
// of all smaller tokens are waited for. An act that was let in before the number rose has its byte by then, and none is
// let in after.
func (f *fence) enter(ctx context.Context, e *Error) (_ *Pass, err error) {
	defer func() {
		if err != nil {
			e.Err, err = err, e
		}
	}()
	lock, err := f.openLock()
	if err != nil {
		return nil, err
	}
	pass := &Pass{lock}
	if err := f.judge(ctx, lock, e); err != nil {
		return nil, errors.Join(err, pass.Leave())
	}
	if err := waitUntil(ctx, func() (bool, error) { return alone(lock, e.Token) }); err != nil {
		if ctx.Err() != nil {
			e.Told = "an act of an older token still runs"
		}
		return nil, errors.Join(err, pass.Leave())
	}
	return pass, nil
}

// judge refuses a token that is too old, raises the number to one that is greater, and takes the token's byte.
func (f *fence) judge(ctx context.Context, lock *os.File, e *Error) error {
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := waitUntil(ctx, func() (bool, error) { return take(lock, number, exclusive) }); err != nil {
		return err
	}
	seen, err := f.read()
	switch {
	case err != nil:
		return err
	case e.Token < seen:
		e.Seen = seen
		e.Told = fmt.Sprintf("the fencing token %d is older than %d: another has held the lock since", e.Token, seen)
		return errStale
	case e.Token > seen:
		if err := f.write(e.Token); err != nil {
			return err
		}
	}
	if free, err := take(lock, e.Token, shared); err != nil || !free {
		return errors.Join(errors.New("a greater token waits already, though the number does not say so"), err)
	}
	return release(lock, number)
}

// errStale is why a token is refused that is too old.
var errStale = errors.New("stale")

// The pauses between two looks at a lock of another process. Only a blocking wait would tell at once, and it cannot be
// given up: a client that sent calls with short deadlines would leave a blocked thread for each. It is waited for in two
// cases, both rare: another helper writes the number down at this moment, or an act of the holder before still runs.
const (
	firstPause = 200 * time.Microsecond
	lastPause  = 20 * time.Millisecond
)

// waitUntil asks again and again, until the answer is yes or an error, or ctx ends.
func waitUntil(ctx context.Context, free func() (bool, error)) error {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		if ok, err := free(); ok || err != nil {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// A Pass is the right to act under a fence. Nil is that where there is none.
type Pass struct{ lock *os.File }

// Leave says that the act has ended. It is called once.
func (p *Pass) Leave() error {
	if p == nil {
		return nil
	}
	return leave(p.lock)
}

// An Error says why nobody may act. Its text is for root's eyes.
type Error struct {
	Name  string // the fence's; "": there is none
	Token int64  // that came; 0: none
	Seen  int64  // the greatest seen, where that is why; else 0
	// Told is what a client may know; "": only that it cannot be.
	Told string
	Err  error // the machine's, or the end of a context; nil where Told says all
}

func (e *Error) Error() string {
	text := e.Told
	switch {
	case text == "":
		text = e.Err.Error()
	case e.Err != nil && e.Seen == 0:
		text += ": " + e.Err.Error()
	}
	if e.Name == "" {
		return text
	}
	return "fence " + e.Name + ": " + text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Refusal is what a client is told: CodeFenced for its token, the end of its call where that came first, and CodeFailed
// where the helper cannot tell. of names what was to be done, "rule x"; "": the entrypoint that was called.
func (e *Error) Refusal(of string) *privsep.CallError {
	r := &privsep.CallError{Code: privsep.CodeFenced, Outcome: privsep.Answered}
	if e.Seen == 0 && e.Err != nil {
		r.Code = privsep.ErrorFrom("", e.Err).Code
	}
	told := e.Told
	if told == "" {
		told = "it cannot be judged"
		if r.Code != privsep.CodeFailed {
			told = "its turn did not come in time"
		}
	}
	if e.Name != "" {
		told = "fence " + e.Name + ": " + told
	}
	if of != "" {
		told = of + ": " + told
	}
	r.Message = told
	return r
}
