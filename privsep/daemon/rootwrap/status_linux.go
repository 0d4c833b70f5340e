package rootwrap

import (
	"github.com/privhelper/privhelper/privsep/daemon/audit/sink"
	"github.com/privhelper/privhelper/privsep/stats"
)

// Audit is where decisions are written, for the lines of other calls.
func (c *Commands) Audit() *sink.Sink { return c.audit.Sink() }

// Decisions is how many rules there are, and what came of them so far.
func (c *Commands) Decisions() (rules int, counts []stats.Decisions) {
	return len(c.loaded.Policy.Rules()), c.audit.Decisions()
}
