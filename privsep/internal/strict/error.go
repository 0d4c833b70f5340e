package strict

import (
	"errors"
	"fmt"
	"strconv"
)

// ErrTooLarge is wrapped by an *Error that says that one of the Limits was passed: the message may be well formed.
var ErrTooLarge = errors.New("msgpack: too large")

// Error says what is wrong with a message, and where. Its text may contain bytes of the message, quoted and cut.
type Error struct {
	Offset int    // of the value in the message; −1 where a value could not be written
	Path   string // to the value in the Go type, "" for the whole; such as routes[3].via
	Reason string
	Limit  bool // one of the Limits was passed
}

func (e *Error) Error() string {
	at := ""
	if e.Offset >= 0 {
		at = " byte " + strconv.Itoa(e.Offset) + ":"
	}
	if e.Path != "" {
		at += " " + e.Path + ":"
	}
	return "msgpack:" + at + " " + e.Reason
}

// Unwrap makes errors.Is(err, ErrTooLarge) tell the size of a message from its form.
func (e *Error) Unwrap() error {
	if e.Limit {
		return ErrTooLarge
	}
	return nil
}

// within puts a step (a field's name, or an index in brackets) before the path of an error on its way up.
func (e *Error) within(step string) *Error {
	if e.Path != "" && e.Path[0] != '[' {
		step += "."
	}
	e.Path = step + e.Path
	return e
}

func (e *Error) asError() error {
	if e == nil {
		return nil // and not an error that holds a nil pointer
	}
	return e
}

func refuse(off int, format string, args ...any) *Error {
	return &Error{Offset: off, Reason: fmt.Sprintf(format, args...)}
}

func tooLarge(off int, format string, args ...any) *Error {
	e := refuse(off, format, args...)
	e.Limit = true
	return e
}

// broken says what parse found wrong.
func broken(off int, c class) *Error {
	switch c {
	case classShort:
		return refuse(off, "the message ends within a value")
	case classNever:
		return refuse(off, "0xc1 begins no value")
	default:
		return refuse(off, "a length beyond the end of the message")
	}
}

// wrong says that a value of class c stands where want should.
func wrong(off int, c class, want string) *Error {
	if c <= classOver {
		return broken(off, c)
	}
	return refuse(off, "%s where %s belongs", classNames[c], want)
}

// quote shows bytes of the message in an error: cut, and in ASCII, so that they can end no line and turn no text.
func quote(b []byte) string {
	const most = 40
	if len(b) > most {
		return strconv.QuoteToASCII(string(b[:most])) + "…"
	}
	return strconv.QuoteToASCII(string(b))
}
