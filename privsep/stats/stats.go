// Package stats is the contract of what a running root helper says of itself: what it serves, what it has done, and what
// it does now. Both sides link it. A service asks by client.Client's Stats.
//
//	s, err := c.Stats(ctx)
//	json.NewEncoder(w).Encode(s)
//	s.WriteOpenMetrics(w) // for Prometheus, or the textfile collector of its node exporter
//
// It tells a client nothing of the policy but the names of rules that it has used itself.
package stats

import (
	"time"

	"github.com/privhelper/privhelper/privsep"
)

// Context names what every helper answers beside its own context's entrypoints. It keeps no capability.
var Context = privsep.NewContext("privhelper")

// Get asks for the Stats. It takes no slot and waits in no queue: a helper whose slots are all taken answers it too.
var Get = privsep.NewEntrypoint[struct{}, Stats](Context, "stats")

// Stats are of one helper, since it began to serve.
type Stats struct {
	PID     int           `msgpack:"pid" json:"pid"`         // as the helper sees itself
	Context string        `msgpack:"context" json:"context"` // "" where it only runs commands
	Policy  string        `msgpack:"policy" json:"policy"`   // the hash of its policy; "" without commands
	Uptime  time.Duration `msgpack:"uptime" json:"uptime_ns"`

	Slots   int `msgpack:"slots" json:"slots"`     // calls that can run at once
	Running int `msgpack:"running" json:"running"` // slots that are taken
	Stuck   int `msgpack:"stuck" json:"stuck"`     // of them, by handlers that outlived their calls
	Queue   int `msgpack:"queue" json:"queue"`     // calls that can wait
	Waiting int `msgpack:"waiting" json:"waiting"` // that do

	HeldBytes int `msgpack:"held_bytes" json:"held_bytes"` // by unanswered calls
	HeldFiles int `msgpack:"held_files" json:"held_files"`

	Calls     []Calls     `msgpack:"calls" json:"calls"`         // answered, by entrypoint and outcome
	Rules     int         `msgpack:"rules" json:"rules"`         // of the policy
	Decisions []Decisions `msgpack:"decisions" json:"decisions"` // about commands, by rule and outcome
	InFlight  []Call      `msgpack:"in_flight" json:"in_flight"` // the oldest first

	AuditLost  uint64 `msgpack:"audit_lost" json:"audit_lost"`   // lines that an audit log did not take
	LogDropped uint64 `msgpack:"log_dropped" json:"log_dropped"` // records that the client did not read in time
}

// Calls is how many calls of an entrypoint had one outcome: "ok", or the code of their error. Of calls that name no
// entrypoint of the helper the name is not kept.
type Calls struct {
	Entrypoint string `msgpack:"entrypoint" json:"entrypoint"`
	Outcome    string `msgpack:"outcome" json:"outcome"`
	Count      uint64 `msgpack:"count" json:"count"`
}

// Decisions is how many decisions about commands named one rule and came to one end: match, unauthorized (without a rule),
// not_executable or error, as in the audit log.
type Decisions struct {
	Rule    string `msgpack:"rule" json:"rule"`
	Outcome string `msgpack:"outcome" json:"outcome"`
	Count   uint64 `msgpack:"count" json:"count"`
}

// A Call is one that has a slot.
type Call struct {
	ID         uint64        `msgpack:"id" json:"id"` // the client's
	Entrypoint string        `msgpack:"entrypoint" json:"entrypoint"`
	Age        time.Duration `msgpack:"age" json:"age_ns"` // since it has its slot
	Stuck      bool          `msgpack:"stuck" json:"stuck"`
	Rule       string        `msgpack:"rule" json:"rule"` // of its command, once that has started
	PID        int           `msgpack:"pid" json:"pid"`   // of its command, as the helper sees it
	Locks      []string      `msgpack:"locks" json:"locks"`
	Locked     bool          `msgpack:"locked" json:"locked"` // it holds all of Locks; false: it waits for one
}
