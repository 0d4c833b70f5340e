// Package audit writes every decision of a root helper about a command down once, on one line of JSON, in one write. It
// runs as root; what it writes to (package sink) is opened before the helper confines itself.
//
//	log, err := audit.Open(loaded.Config, os.Stderr)
//	log.Decision(audit.Entry{PID: peer.PID, UID: peer.UID, Policy: hash, Request: request, Verdict: verdict})
//
// A line is ASCII and at most 8 KiB: bytes that are none, control and bidi characters are escaped (sudo CVE-2023-28486),
// long arguments are cut, and secrets in arguments are replaced by *** (oslo CVE-2014-7230). The file is of mode 0600
// all the same: no list of names knows every secret.
package audit

import (
	"cmp"
	"errors"
	"io"
	"sort"
	"sync"
	"time"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/command"
	"github.com/privhelper/privhelper/privsep/daemon/audit/sink"
	"github.com/privhelper/privhelper/privsep/stats"
)

// A Log takes decisions. The zero Log and a nil one drop them; make one with Open or New. It is safe for concurrent use.
type Log struct {
	to *sink.Sink

	mu     sync.Mutex
	counts map[stats.Decisions]uint64 // their own Count is 0
}

// New returns a Log that writes lines to out alone; nil drops them. The caller keeps out.
func New(out io.Writer) *Log { return &Log{to: sink.To(out)} }

// Open returns the Log that a configuration asks for: its audit_file or, where that names none, rest, which stays the
// caller's and may be nil; and syslog or the journal with use_syslog. Call it before confine: the descriptors stay open.
// A file that will not do is a *filters.Error, whatever else is wrong the kernel's.
func Open(cfg filters.Config, rest io.Writer) (*Log, error) {
	to, err := sink.Open(sink.Options{File: cfg.AuditFile, Syslog: cfg.UseSyslog, Facility: cfg.SyslogFacility, Level: cfg.SyslogLevel, Rest: rest})
	var bad *sink.FileError
	if errors.As(err, &bad) {
		return nil, &filters.Error{File: cfg.File, Line: cfg.Lines["audit_file"], Msg: "audit_file: " + err.Error(), Value: true}
	}
	if err != nil {
		return nil, err
	}
	return &Log{to: to}, nil
}

// Sink is where the lines go: for those of calls beside commands, and for counting what was lost. Nil: nowhere.
func (l *Log) Sink() *sink.Sink {
	if l == nil {
		return nil
	}
	return l.to
}

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
	// Fence is the rule's, and Token the client's, 0: none.
	Fence string
	Token int64
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
	l.count(e)
	severity := sink.Error
	if e.Err == nil && e.Verdict.Outcome == filters.Match {
		severity = sink.Info
	}
	l.write(e.line("decision", e.result(), time.Now(), nil), severity)
}

// NotStarted adds that a command did not come to run after it was decided that it may: the kernel refused, or its client
// was gone. Such a line has "event" where the line of the decision has "decision".
func (l *Log) NotStarted(e Entry, cause error) {
	e.Err = cause
	l.write(e.line("event", "not_started", time.Now(), nil), sink.Error)
}

// End adds how a command ended, with all that the line of its decision has: for a rule with audit = full.
func (l *Log) End(e Entry, end End) {
	e.Err = end.Err
	l.write(e.line("event", "end", time.Now(), &end), sink.Info)
}

// count keeps in mind what Decisions says. Rules are the policy's, and so there are not too many.
func (l *Log) count(e Entry) {
	if l == nil {
		return
	}
	d := stats.Decisions{Outcome: e.result()}
	if e.Verdict.Rule != nil {
		d.Rule = e.Verdict.Rule.Name
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts == nil {
		l.counts = map[stats.Decisions]uint64{}
	}
	l.counts[d]++
}

// Decisions returns how many there were, by rule and outcome.
func (l *Log) Decisions() []stats.Decisions {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []stats.Decisions
	for d, n := range l.counts {
		d.Count = n
		all = append(all, d)
	}
	sort.Slice(all, func(i, j int) bool {
		a, b := all[i], all[j]
		return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Outcome, b.Outcome)) < 0
	})
	return all
}

func (l *Log) write(line []byte, severity sink.Severity) { l.Sink().Write(line, severity) }

// Close gives back what Open has opened. Decisions after it are lost.
func (l *Log) Close() error { return l.Sink().Close() }
