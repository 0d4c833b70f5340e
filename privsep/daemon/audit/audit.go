// Package audit writes every decision of a root helper down once, on one line of JSON, in one write. It runs as root;
// what it writes to is opened before the helper confines itself.
//
//	log, err := audit.Open(loaded.Config, os.Stderr)
//	log.Decision(audit.Entry{PID: peer.PID, UID: peer.UID, Policy: hash, Request: request, Verdict: verdict})
//
// A line is ASCII and at most 8 KiB: bytes that are none, control and bidi characters are escaped (sudo CVE-2023-28486),
// long arguments are cut, and secrets in arguments are replaced by *** (oslo CVE-2014-7230). The file is of mode 0600
// all the same: no list of names knows every secret.
package audit

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/command"
)

// A Log takes decisions. The zero Log and a nil one drop them; make one with Open or New. It is safe for concurrent use.
type Log struct {
	mu     sync.Mutex
	out    io.Writer                       // nil: none
	torn   bool                            // the last line went out in part
	syslog func(line []byte, allowed bool) // nil: none
	close  []io.Closer
	lost   uint64
	unsaid uint64 // of them
}

// New returns a Log that writes lines to out alone; nil drops them. The caller keeps out.
func New(out io.Writer) *Log { return &Log{out: out} }

// An Entry is one decision about a command.
type Entry struct {
	PID      int    // of the client
	UID, GID uint32 // of the client
	Program  string // the client's command line, as it was when the helper started; "" where nobody could see it
	Policy   string // the policy's hash
	Request  filters.Request
	Verdict  filters.Verdict
	// Capabilities is what the command gets; nil: not said.
	Capabilities *privsep.Capabilities
	// Locks are those that the rule names, held when the line is written, and Waited is how long that took.
	Locks  []string
	Waited time.Duration
	// Err is why nothing runs although a rule allows it: a stream that is a terminal, a user that is gone, a lock that was
	// not to be had in time. Nil: none.
	Err error
}

// An End says how a command ended.
type End struct {
	command.Result
	Took time.Duration // from its start, the wait for its locks left out
	// Err is why the helper ended it: its timeout, its client's deadline, its client gone. Nil: it ended by itself.
	Err error
}

// result is what the line calls the decision: match, unauthorized, not_executable, as explain does, or error.
func (e Entry) result() string {
	if e.Err != nil {
		return "error"
	}
	return e.Verdict.Outcome.String()
}

// Decision writes the line of a decision. Call it once for each, when all is known that can keep the command from running
// (its locks are held), and before it starts. It changes nothing: what a file or a syslog does not take is lost, and
// counted.
func (l *Log) Decision(e Entry) {
	l.write(e.line("decision", e.result(), time.Now(), nil), e.Err == nil && e.Verdict.Outcome == filters.Match)
}

// NotStarted adds that a command did not come to run after it was decided that it may: the kernel refused, or its client
// was gone. Such a line has "event" where the line of the decision has "decision".
func (l *Log) NotStarted(e Entry, cause error) {
	e.Err = cause
	l.write(e.line("event", "not_started", time.Now(), nil), false)
}

// End adds how a command ended, with all that the line of its decision has: for a rule with audit = full.
func (l *Log) End(e Entry, end End) {
	e.Err = end.Err
	l.write(e.line("event", "end", time.Now(), &end), true)
}

// Lost is how many lines no sink has taken.
func (l *Log) Lost() uint64 {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

func (l *Log) write(line []byte, allowed bool) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.syslog != nil {
		l.syslog(line, allowed)
	}
	if l.out == nil {
		return
	}
	if l.unsaid > 0 {
		line = append(fmt.Appendf(nil, `{"event": "lost", "lines": %d}`+"\n", l.unsaid), line...)
	}
	if l.torn { // so that the rest of a torn line takes no whole one with it
		line = append([]byte{'\n'}, line...)
	}
	n, err := l.out.Write(append(line, '\n'))
	if n > 0 {
		l.torn = err != nil
	}
	if l.unsaid++; err == nil {
		l.unsaid = 0
	} else {
		l.lost++
	}
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
