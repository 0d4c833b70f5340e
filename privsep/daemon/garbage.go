package daemon

import (
	"math"
	"runtime/debug"
)

// boundGarbage makes the garbage of a helper half of what it holds, and not as much again. A client's calls hold 6 MiB at
// most, and are to make the helper grow by less than 16 MB whatever comes (docs/threat-model.md, promise 3). It costs what
// cannot be measured: an idle helper holds so little that 2 MiB are made between two collections.
//
// It also takes back what GOGC and GOMEMLIMIT said, which the runtime has read before main: GOGC=off in an environment
// that sudo kept would be memory without end. A memory limit of our own is the road not taken: a handler that holds more
// than it for good reason would find half of every processor spent on collections.
func boundGarbage() {
	debug.SetGCPercent(50)
	debug.SetMemoryLimit(math.MaxInt64)
}
