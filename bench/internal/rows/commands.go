package rows

import (
	"fmt"
	"time"

	"github.com/privhelper/privhelper/bench/internal/report"
)

var (
	truth      = argv{"/usr/bin/true"}
	daemon     = argv{"env", "{}privhelper", "daemon", "--config", "{}small.conf"}
	noCgroups  = argv{"unshare", "--mount", "--propagation", "private", "sh", "-c", `umount -a -t cgroup2; exec "$@"`, "sh"}
	ourCommand = on(argv{"{}worker", "command"}, daemon)
	goExec     = on(argv{"{}worker", "exec"}, truth)
	rootwrap   = argv{"/usr/bin/python3", "{}peers/rootwrap.py", "{}small.conf"}
	viaPrivsep = argv{"/usr/bin/python3", "{}peers/privsep.py", "exec"}
)

// rateTurn is longer than other turns: there are few commands in one.
const rateTurn = 400 * time.Millisecond

// commands are rows 3, 4 and 15: /usr/bin/true.
func commands() []contest {
	spawn := latency("C vfork and exec", on(argv{"{}c-spawn"}, truth))
	peers := []contender{
		slow("oslo.rootwrap daemon", time.Second/2, rootwrap), slow("oslo.privsep", time.Second/2, viaPrivsep),
		latency("go-plugin netrpc, unconfined", goPlugin("netrpc", truth...)), latency("go-plugin grpc, unconfined", goPlugin("grpc", truth...)),
	}
	all := []contest{{
		row: 3, what: "true by a helper, one caller, own streams, no cgroup a command", unit: report.Microseconds,
		limit: spawn, ours: latency("ours", on(noCgroups, ourCommand)), peers: peers,
		target: report.Target{Ratio: 1.4, Ahead: true},
	}, {
		row: 3, what: "the same with a cgroup a command", unit: report.Microseconds,
		limit: spawn, ours: latency("ours", ourCommand),
		target: report.Target{Ratio: 1.6},
	}, {
		row: 3, what: "the same without, both outputs captured", unit: report.Microseconds,
		limit: spawn, ours: latency("ours", on(noCgroups, on(argv{"{}worker", "captured"}, daemon))),
		target: report.Target{Ratio: 1.6},
	}, {
		row: 3, what: "os/exec in its place, for comparison", unit: report.Microseconds,
		limit: spawn, ours: latency("os/exec", goExec),
	}}
	for _, callers := range []int{8, 64} {
		target := report.Target{Ratio: 0.85, Ahead: true}
		if callers == 64 {
			target.P99 = 60_000
		}
		for i, how := range []string{"no cgroup a command", "a cgroup a command"} {
			c := contest{
				row: 4, what: fmt.Sprintf("true by a helper, %d callers, %s", callers, how), unit: report.PerSecond,
				limit: rate("Go os/exec", callers, rateTurn, goExec),
				ours:  rate("ours", callers, rateTurn, on(noCgroups, ourCommand)), target: target,
			}
			if i == 0 {
				c.peers = []contender{
					rate("oslo.rootwrap daemon", callers, rateTurn, rootwrap), rate("oslo.privsep", callers, time.Second, viaPrivsep),
					rate("go-plugin netrpc, unconfined", callers, rateTurn, goPlugin("netrpc", truth...)),
					rate("go-plugin grpc, unconfined", callers, rateTurn, goPlugin("grpc", truth...)),
				}
			} else {
				c.ours = rate("ours", callers, rateTurn, ourCommand)
			}
			all = append(all, c)
		}
	}
	return append(all, contest{
		row: 15, what: "processutils.Run of true", unit: report.Microseconds,
		limit:  latency("Go os/exec", goExec),
		ours:   latency("ours", on(argv{"{}worker", "run"}, truth)),
		peers:  []contender{latency("oslo processutils", argv{"/usr/bin/python3", "{}peers/execute.py"})},
		target: report.Target{Ratio: 1.05, Ahead: true},
	})
}
