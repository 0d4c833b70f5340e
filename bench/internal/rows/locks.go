package rows

import (
	"time"

	"github.com/privhelper/privhelper/bench/internal/report"
)

func pythonLock(kind string) argv {
	return argv{"/usr/bin/python3", "{}peers/locks.py", kind, "{}locks"}
}

// locks are rows 10, 11 and 12.
func locks() []contest {
	const long = time.Second / 2
	return []contest{{
		row: 10, what: "a lock between processes that nobody else wants", unit: report.Microseconds,
		limit:  latency("C, the same eight calls", argv{"{}c-locks", "{}locks/c"}),
		ours:   latency("ours", argv{"{}worker", "lock", "{}locks"}),
		peers:  []contender{latency("oslo lockutils", pythonLock("oslo")), latency("fasteners", pythonLock("fasteners")), latency("gofrs/flock", argv{"{}worker", "gofrs", "{}locks/gofrs"})},
		target: report.Target{Ratio: 1.6, Ahead: true},
	}, {
		row: 11, what: "its hand-over to a process that waits", unit: report.Microseconds,
		limit:  slow("C flock(2), not cancellable", long, argv{"{}c-handover", "{}locks/handover-c"}),
		ours:   slow("ours", long, argv{"{}worker", "handover", "ours", "{}locks"}),
		peers:  []contender{slow("oslo lockutils", long, pythonLock("handover-oslo")), slow("fasteners", long, pythonLock("handover-fasteners")), slow("gofrs/flock every 10 ms", long, argv{"{}worker", "handover", "gofrs", "{}locks"})},
		target: report.Target{Value: 100, P99: 250, Ahead: true},
	}, {
		row: 11, what: "gofrs/flock's Lock, not cancellable, for comparison", unit: report.Microseconds,
		limit: slow("C flock(2), not cancellable", long, argv{"{}c-handover", "{}locks/handover-c"}),
		ours:  slow("gofrs/flock", long, argv{"{}worker", "handover", "gofrs-blocking", "{}locks"}),
	}, {
		row: 12, what: "a lock by name within a process", unit: report.Nanoseconds,
		limit:  nanoseconds("sync.Mutex", argv{"{}worker", "mutex"}),
		ours:   nanoseconds("ours", argv{"{}worker", "key"}),
		peers:  []contender{nanoseconds("oslo lockutils", pythonLock("oslo-internal"))},
		target: report.Target{Value: 150, Ahead: true},
	}}
}
