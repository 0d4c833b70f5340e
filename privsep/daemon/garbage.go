package daemon

import (
	"math"
	"runtime"
	"runtime/debug"
)

// boundGarbage makes the garbage of a helper a quarter of what it holds, and not as much again. A client's calls hold 6
// MiB at most, and are to make the helper grow by less than 16 MB whatever comes (docs/threat-model.md, promise 3). It costs
// what cannot be measured: an idle helper holds so little that 1 MiB, some 800 calls, is made between two collections.
//
// It also takes back what GOGC and GOMEMLIMIT said, which the runtime has read before main: GOGC=off in an environment
// that sudo kept would be memory without end. A memory limit of our own is the road not taken: a handler that holds more
// than it for good reason would find half of every processor spent on collections.
func boundGarbage() {
	debug.SetGCPercent(25)
	debug.SetMemoryLimit(math.MaxInt64)
}

// tidyStart collects what the start of a worker has left now, and not in its client's first call, where that is so much that
// it would be collected there: the collector begins at a megabyte. It takes a millisecond and a half of the two processors
// that its predecessor's client wants.
func tidyStart() {
	var m runtime.MemStats
	if runtime.ReadMemStats(&m); m.HeapAlloc > m.NextGC*3/4 {
		runtime.GC()
	}
}

// Requests from largeArgs up are garbage that comes fast: a client may send a gigabyte of them in a second, decoded and
// answered it is three times as much, and where other processes leave the collector no processor for a while, it is late.
const (
	largeArgs  = 64 << 10
	maxGarbage = 2 << 20
)

// tidy collects garbage before more than maxGarbage of large requests have become it, while the client waits. Nobody
// calls it but who reads requests. Larger data is better passed as a File.
func (s *server) tidy(args int) {
	if args < largeArgs {
		return
	}
	if s.large += args; s.large > maxGarbage {
		s.large = 0
		runtime.GC()
	}
}
