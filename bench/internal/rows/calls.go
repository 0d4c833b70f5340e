package rows

import (
	"fmt"
	"slices"
	"time"

	"github.com/privhelper/privhelper/bench/internal/report"
)

var (
	oneCPU   = argv{"taskset", "-c", "0"}
	pingPong = argv{"{}c-pingpong"}
	ourCall  = argv{"{}worker", "call", "env", "{}helper"}
	goPlugin = func(protocol string, program ...string) argv {
		return append(argv{"{}goplugin", protocol}, program...)
	}
	privsep = argv{"/usr/bin/python3", "{}peers/privsep.py", "noop"}
)

// on puts one command line before another.
func on(a, b argv) argv { return slices.Concat(a, b) }

// calls are rows 1 and 2: an entrypoint that does nothing.
func calls() []contest {
	all := []contest{{
		row: 1, what: "an entrypoint that does nothing, one caller, on one CPU", unit: report.Microseconds,
		limit:  latency("C ping-pong", on(oneCPU, pingPong)),
		ours:   latency("ours", on(oneCPU, ourCall)),
		peers:  []contender{latency("oslo.privsep", on(oneCPU, privsep)), latency("go-plugin netrpc", on(oneCPU, goPlugin("netrpc"))), latency("go-plugin grpc", on(oneCPU, goPlugin("grpc")))},
		target: report.Target{Ratio: 1.6, P99: 100, Ahead: true},
	}, {
		row: 1, what: "the same, wherever the kernel puts them", unit: report.Microseconds,
		limit:  latency("C ping-pong", pingPong),
		ours:   latency("ours", ourCall),
		peers:  []contender{latency("oslo.privsep", privsep), latency("go-plugin netrpc", goPlugin("netrpc")), latency("go-plugin grpc", goPlugin("grpc"))},
		target: report.Target{Ratio: 1.6, P99: 100, Ahead: true},
	}}
	for _, callers := range []int{8, 64} {
		all = append(all, contest{
			row: 2, what: fmt.Sprintf("the same, %d callers", callers), unit: report.PerSecond,
			limit: rate("C ping-pong, a socket a caller", callers, defaultTurn, pingPong),
			ours:  rate("ours", callers, defaultTurn, ourCall),
			peers: []contender{
				rate("oslo.privsep", callers, time.Second/2, privsep),
				rate("go-plugin netrpc", callers, defaultTurn, goPlugin("netrpc")),
				rate("go-plugin grpc", callers, defaultTurn, goPlugin("grpc")),
			},
			target: report.Target{Value: 150_000, Peers: map[string]float64{"go-plugin netrpc": 3, "go-plugin grpc": 3}, Ahead: true},
		})
	}
	return all
}
