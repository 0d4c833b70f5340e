package pymanager

import (
	"errors"
	"sync/atomic"
)

// errMemory is about filters.DaemonMax.Memory.
var errMemory = errors.New("all requests and outputs together need more memory than this daemon may have (daemon_max_memory)")

// A budget is what all requests and outputs of a daemon may hold together, in bytes: what is left of it. What it does not
// have is refused, never waited for: two commands that wait for each other's output to go would wait for ever.
type budget struct{ left atomic.Int64 }

func (b *budget) take(n int64) error {
	if b.left.Add(-n) < 0 {
		b.left.Add(n)
		return errMemory
	}
	return nil
}

func (b *budget) give(n int64) { b.left.Add(n) }
