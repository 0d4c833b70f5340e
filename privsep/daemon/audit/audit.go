// Package audit writes every decision of a root helper down once, on one line, in one write. It runs as root; its output
// is opened before the helper confines itself.
package audit

import (
	"io"
	"sync"
	"time"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/internal/pyjson"
)

// A Log takes decisions. The zero Log drops them; make one with New. It is safe for concurrent use.
type Log struct {
	mu  sync.Mutex
	out io.Writer
}

// New returns a Log that writes lines of JSON to out.
func New(out io.Writer) *Log { return &Log{out: out} }

// An Entry is one decision.
type Entry struct {
	PID     int    // of the client
	UID     uint32 // of the client
	Policy  string // the policy's hash
	Request filters.Request
	Verdict filters.Verdict
}

// Decision writes one line. A line that cannot be written is an error: the caller refuses the command then, so that
// nothing runs unseen.
func (l *Log) Decision(e Entry) error {
	if l == nil || l.out == nil {
		return nil
	}
	v := e.Verdict
	var o pyjson.Object
	o.String("time", time.Now().UTC().Format(time.RFC3339Nano))
	o.String("decision", v.Outcome.String())
	o.Int("client_uid", int64(e.UID))
	o.Int("client_pid", int64(e.PID))
	o.Strings("argv", e.Request.Argv)
	if v.Rule != nil {
		o.String("rule", v.Rule.Name)
		o.String("file", v.Rule.File)
		o.Int("line", int64(v.Rule.Line))
		o.String("run_as", v.RunAs)
	}
	if v.Outcome == filters.Match {
		o.Strings("command", v.Command())
	}
	if len(v.Unsafe) > 0 {
		o.Strings("unsafe", v.Unsafe)
	}
	if len(v.Near) > 0 {
		o.String("reason", v.Near[0].Reason)
	}
	o.String("policy", e.Policy)
	line := append(o.End(), '\n')
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.out.Write(line)
	return err
}
