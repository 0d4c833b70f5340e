// Package audit writes every decision of a root helper down once, on one line of JSON, in one write. It runs as root;
// what it writes to is opened before the helper confines itself.
//
//	log, err := audit.Open(loaded.Config, os.Stderr)
//	err = log.Decision(audit.Entry{PID: peer.PID, UID: peer.UID, Policy: hash, Request: request, Verdict: verdict})
//
// A line is ASCII and at most 8 KiB: bytes that are none, control and bidi characters are escaped (sudo CVE-2023-28486),
// long arguments are cut, and secrets in arguments are replaced by *** (oslo CVE-2014-7230). The file is of mode 0600
// all the same: no list of names knows every secret.
package audit

import (
	"errors"
	"io"
	"sync"
	"time"

	"github.com/privhelper/privhelper/filters"
)

// A Log takes decisions. The zero Log and a nil one drop them; make one with Open or New. It is safe for concurrent use.
type Log struct {
	mu     sync.Mutex
	out    io.Writer                       // nil: none
	torn   bool                            // the last line went out in part
	syslog func(line []byte, allowed bool) // nil: none
	close  []io.Closer
}

// New returns a Log that writes lines to out alone; nil drops them. The caller keeps out.
func New(out io.Writer) *Log { return &Log{out: out} }

// An Entry is one decision.
type Entry struct {
	PID     int    // of the client
	UID     uint32 // of the client
	Policy  string // the policy's hash
	Request filters.Request
	Verdict filters.Verdict
	// Err is why nothing runs although a rule allows it: a stream that is a terminal, a user that is gone. Nil: none.
	Err error
}

// result is what the line calls the decision: match, unauthorized, not_executable, as explain does, or error.
func (e Entry) result() string {
	if e.Err != nil {
		return "error"
	}
	return e.Verdict.Outcome.String()
}

// Decision writes one line. If the file or stream does not take it, that is an error: the caller refuses the command
// then, so that nothing runs unseen. Syslog may lose lines, as it may everywhere: they are counted and it says so.
func (l *Log) Decision(e Entry) error {
	return l.write(e.line("decision", e.result(), time.Now()), e.Err == nil && e.Verdict.Outcome == filters.Match)
}

// NotStarted adds that a command did not come to run after it was decided that it may: the kernel refused, or its client
// was gone. Such a line has "event" where the line of the decision has "decision".
func (l *Log) NotStarted(e Entry, cause error) error {
	e.Err = cause
	return l.write(e.line("event", "not_started", time.Now()), false)
}

func (l *Log) write(line []byte, allowed bool) error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.syslog != nil {
		l.syslog(line, allowed)
	}
	if l.out == nil {
		return nil
	}
	if l.torn { // so that the rest of a torn line takes no whole one with it
		line = append([]byte{'\n'}, line...)
	}
	n, err := l.out.Write(append(line, '\n'))
	if n > 0 {
		l.torn = err != nil
	}
	return err
}

// Close gives back what Open has opened. Decisions after it are errors or dropped.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, c := range l.close {
		errs = append(errs, c.Close())
	}
	l.close = nil
	return errors.Join(errs...)
}
