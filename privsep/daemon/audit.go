package daemon

import (
	"strconv"
	"sync"
	"time"

	"github.com/privhelper/privhelper/internal/pyjson"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/daemon/audit/sink"
	"github.com/privhelper/privhelper/privsep/internal/wire"
)

// maxRefused bounds how many lines a second are written about calls that never came to a handler: a client may send a
// hundred thousand of them. The next line that is written says how many there were besides.
const maxRefused = 20

// An auditor writes one line for each call, when it is answered: whose it was, what it came to and how long it took, and
// none of its arguments. What a command's handler has run is not its matter: that handler writes lines of its own, which
// say more. The zero auditor writes nothing.
type auditor struct {
	to       *sink.Sink
	peer     Peer
	context  string
	policy   string
	commands string // the entrypoint whose handler writes for itself

	mu     sync.Mutex
	second time.Time // the one that wrote counts
	wrote  int       // of calls refused in it
	more   int       // that were not written
}

// call writes the line of a call that is answered with code; empty: it went well. began is when its handler was called;
// zero: it never was.
func (a *auditor) call(entrypoint string, began time.Time, code privsep.Code) {
	switch {
	case a.to == nil:
	case began.IsZero():
		a.refused(entrypoint, code)
	case entrypoint != a.commands:
		o := a.begin("call", outcome(code))
		o.String("context", a.context)
		o.String("entrypoint", entrypoint)
		o.Raw("duration", strconv.AppendFloat(nil, time.Since(began).Seconds(), 'f', 6, 64))
		a.end(o, code)
	}
}

func (a *auditor) refused(entrypoint string, code privsep.Code) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := time.Now(); now.Sub(a.second) >= time.Second {
		a.second, a.wrote = now, 0
	}
	if a.wrote == maxRefused {
		a.more++
		return
	}
	a.wrote++
	o := a.begin("refused", outcome(code))
	o.String("entrypoint", entrypoint)
	a.others(o)
	a.end(o, code)
}

// others says how many refused calls have no line of their own. The lock is held.
func (a *auditor) others(o *pyjson.Object) {
	if a.more > 0 {
		o.Int("more", int64(a.more))
		a.more = 0
	}
}

// over says, at the end of the connection, what no line has said: refused calls that were too many, and how the client
// broke the protocol.
func (a *auditor) over(broken *wire.ProtocolError) {
	if a.to == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.more > 0 {
		o := a.begin("event", "refused")
		a.others(o)
		a.end(o, privsep.CodeBusy)
	}
	if broken != nil {
		o := a.begin("event", "protocol_error")
		o.String("error", broken.Error())
		a.end(o, privsep.CodeInternal)
	}
}

func outcome(code privsep.Code) string {
	if code == "" {
		return "ok"
	}
	return string(code)
}

// begin opens a line as package audit does for a command.
func (a *auditor) begin(key, result string) *pyjson.Object {
	o := &pyjson.Object{Buf: make([]byte, 0, 384)} // a line of a call, and who called
	o.String("time", time.Now().UTC().Format(time.RFC3339Nano))
	o.String(key, result)
	o.Int("client_uid", int64(a.peer.UID))
	o.Int("client_gid", int64(a.peer.GID))
	o.Int("client_pid", int64(a.peer.PID))
	if a.peer.Program != "" {
		o.String("client", a.peer.Program)
	}
	return o
}

func (a *auditor) end(o *pyjson.Object, code privsep.Code) {
	if a.policy != "" {
		o.String("policy", a.policy)
	}
	severity := sink.Info
	if code != "" {
		severity = sink.Error
	}
	a.to.Post(o.End(), severity)
}
