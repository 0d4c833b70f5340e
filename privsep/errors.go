package privsep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

// A Code says what kind of failure a call met. Codes are errors, so that errors.Is(err, privsep.CodeBusy) holds for the
// *CallError that carries one.
type Code string

// The codes of privhelper itself. A context adds its own with NewError.
const (
	CodeFailed        Code = "failed"         // the handler returned an error
	CodeDenied        Code = "denied"         // policy allows no such command; also fs.ErrPermission
	CodeFenced        Code = "fenced"         // the fencing token is older than one seen before, or missing, or not asked for; also fs.ErrPermission
	CodeNotExecutable Code = "not_executable" // a rule allows it, and its program is missing; also fs.ErrNotExist
	CodeBadArguments  Code = "bad_arguments"  // the arguments do not fit their type
	CodeNoEntrypoint  Code = "no_entrypoint"  // the helper has no entrypoint of this name
	CodeTooLarge      Code = "too_large"      // the request or the reply is above the limit; pass a File
	CodeBusy          Code = "busy"           // all slots and the queue are taken
	CodeDeadline      Code = "deadline"       // also context.DeadlineExceeded
	CodeCancelled     Code = "cancelled"      // also context.Canceled
	CodePanicked      Code = "panicked"       // the handler panicked or ended its goroutine
	CodeInternal      Code = "internal"       // the two sides do not understand each other
	CodeLost          Code = "lost"           // the connection broke; Outcome says what is known of the call
	CodeClosed        Code = "closed"         // the client was closed; also fs.ErrClosed
)

// Error makes a Code an error.
func (c Code) Error() string { return strings.ReplaceAll(string(c), "_", " ") }

// An Outcome says what is known of a call that ended in an error. The zero Outcome is Unknown, the one that forbids a
// repetition.
type Outcome uint8

const (
	Unknown  Outcome = iota // the helper may or may not have run it: do not repeat what must happen at most once
	NotSent                 // the helper never saw it: safe to repeat
	Answered                // the helper answered, with this error
)

func (o Outcome) String() string {
	switch o {
	case NotSent:
		return "not sent"
	case Answered:
		return "answered"
	}
	return "unknown"
}

// A CallError is how every call fails, on the client and in a helper that calls in place.
type CallError struct {
	Entrypoint string        // "context.entrypoint"; "" where no call was made
	Code       Code          // what kind of failure
	Errno      syscall.Errno // 0: none
	Message    string        // for a person: the handler's own text, or ours
	Outcome    Outcome       // may the handler have run?
}

// Error gives "net.set_mtu: message"; where the message is empty, the code stands for it.
func (e *CallError) Error() string {
	text := e.Message
	if text == "" {
		text = e.Code.Error()
	}
	if e.Outcome == Unknown {
		text += " (whether it ran is not known)"
	}
	if e.Entrypoint == "" {
		return text
	}
	return e.Entrypoint + ": " + text
}

// Unwrap lets errors.Is find the errno (and with it fs.ErrNotExist, fs.ErrPermission and their like), the code and the
// context's error.
func (e *CallError) Unwrap() []error {
	errs := []error{e.Code}
	if e.Errno != 0 {
		errs = append(errs, e.Errno)
	}
	switch e.Code {
	case CodeDeadline:
		errs = append(errs, context.DeadlineExceeded)
	case CodeCancelled:
		errs = append(errs, context.Canceled)
	case CodeDenied, CodeFenced:
		errs = append(errs, fs.ErrPermission)
	case CodeNotExecutable:
		errs = append(errs, fs.ErrNotExist)
	case CodeClosed:
		errs = append(errs, fs.ErrClosed)
	}
	return errs
}

// Is reports whether target is the declared error that this one carries from the helper.
func (e *CallError) Is(target error) bool {
	declared, ok := target.(*declaredError)
	return ok && e.Code == declared.code
}

// declaredError is an error that a context declared: the same in both programs, known on the wire by its code, which
// carries the context's name ("net.link_busy").
type declaredError struct {
	code Code
	text string
}

func (e *declaredError) Error() string { return e.text }

// NewError declares an error that handlers of this context may return, wrapped or not, and that clients find again with
// errors.Is. The name is formed as a context's is; the Code on the wire is "context.name". NewError panics if the
// name is malformed or taken.
func (c *Context) NewError(name, text string) error {
	mustBeName("error", name)
	c.mu.Lock()
	defer c.mu.Unlock()
	full := Code(c.name + "." + name)
	if c.errs[full] {
		panic(fmt.Sprintf("privsep: error %s is declared twice", full))
	}
	c.errs[full] = true
	return &declaredError{code: full, text: text}
}

// ErrorFrom turns what a handler returned into what its client is told: a declared error's code, an errno, a context's
// end, and the text, which is its author's. A *CallError of another call, made in place, keeps its code and errno. Nil
// gives nil. An error whose own methods panic, such as a nil pointer of its type, is a handler that panicked.
func ErrorFrom(entrypoint string, err error) (e *CallError) {
	if err == nil {
		return nil
	}
	defer func() {
		if cause := recover(); cause != nil {
			e = &CallError{Entrypoint: entrypoint, Code: CodePanicked, Outcome: Answered,
				Message: fmt.Sprintf("the handler's error, a %T, panicked: %v", err, cause)}
		}
	}()
	e = &CallError{Entrypoint: entrypoint, Code: CodeFailed, Message: err.Error(), Outcome: Answered}
	var declared *declaredError
	var inner *CallError
	switch {
	case errors.As(err, &declared):
		e.Code = declared.code
	case errors.As(err, &inner):
		e.Code, e.Errno = inner.Code, inner.Errno
		if err == error(inner) && inner.Entrypoint == entrypoint {
			e.Message = inner.Message
		}
	case errors.Is(err, context.DeadlineExceeded):
		e.Code = CodeDeadline
	case errors.Is(err, context.Canceled):
		e.Code = CodeCancelled
	}
	if inner == nil { // a code such as denied is fs.ErrPermission too, and no errno has been seen
		e.Errno = errnoOf(err)
	}
	return e
}

// errnoOf finds the errno within an error; for fs's own words without one it takes the errno that says the same, so
// that errors.Is holds on the other side too.
func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno):
		return errno
	case errors.Is(err, fs.ErrNotExist):
		return syscall.ENOENT
	case errors.Is(err, fs.ErrExist):
		return syscall.EEXIST
	case errors.Is(err, fs.ErrPermission):
		return syscall.EPERM
	}
	return 0
}
