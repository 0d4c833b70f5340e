package rows

import (
	"time"

	"github.com/privhelper/privhelper/bench/internal/report"
)

// nobody is who asks for one command: 65534 in Debian.
const nobody = "65534"

// In a mount namespace of its own, where nobody may run true as root by sudo and by doas.
var allowed = argv{"unshare", "--mount", "--propagation", "private", "sh", "-ec",
	`mount -t tmpfs -o mode=0755 none /etc/sudoers.d
echo 'nobody ALL=(root) NOPASSWD: /usr/bin/true' >/etc/sudoers.d/bench
touch /etc/doas.conf
printf 'permit nopass nobody as root cmd /usr/bin/true\n' >"$0"doas.conf
mount --bind "$0"doas.conf /etc/doas.conf
exec "$@"`, "{}"}

func launch(uid string, a ...string) argv { return on(argv{"{}c-launch", uid}, a) }

// oneShots are rows 5, 6 and 7: processes that do one thing.
func oneShots() []contest {
	const long = time.Second / 2
	return []contest{{
		row: 5, what: "true by a user, `privhelper run` over the service's socket", unit: report.Microseconds,
		limit: slow("C setuid wrapper", long, launch(nobody, "{}suid", "/usr/bin/true")),
		ours:  overService(slow("ours", long, launch(nobody, "{}privhelper", "run", "--socket", "{}service.sock", "--", "true"))),
		peers: []contender{
			slow("sudo", long, on(allowed, launch(nobody, "sudo", "-n", "/usr/bin/true"))),
			slow("doas", long, on(allowed, launch(nobody, "doas", "-n", "/usr/bin/true"))),
		},
		target: report.Target{Peers: map[string]float64{"sudo": 0.5}, Ahead: true},
	}, {
		row: 5, what: "the same by a program that keeps its connection, for comparison", unit: report.Microseconds,
		limit: slow("C setuid wrapper", long, launch(nobody, "{}suid", "/usr/bin/true")),
		ours: overService(slow("ours", long, on(argv{"setpriv", "--reuid", nobody, "--regid", nobody, "--clear-groups"},
			argv{"{}worker", "clients", "{}service.sock", "1"}))),
	}, {
		row: 6, what: "true as root, one shot, 22 policy files of 313 rules", unit: report.Microseconds,
		limit:  slow("bare Go exec", long, launch("0", "{}bare", "exec", "/usr/bin/true")),
		ours:   slow("ours", long, launch("0", "{}privhelper", "run", "--config", "{}large.conf", "--", "true")),
		peers:  []contender{slow("oslo-rootwrap", 2*time.Second, launch("0", "oslo-rootwrap", "{}large.conf", "true"))},
		target: report.Target{Ratio: 1.35, Ahead: true},
	}, {
		row: 7, what: "a helper's start to its first answer, the same policy", unit: report.Microseconds,
		limit:  slow("bare Go helper", long, argv{"{}worker", "start-bare", "{}bare", "serve"}),
		ours:   slow("ours", long, argv{"{}worker", "start", "{}helper", "{}large.conf"}),
		target: report.Target{Value: 2000},
	}, {
		row: 7, what: "the same by sudo", unit: report.Microseconds,
		limit:  slow("sudo true", long, launch("0", "sudo", "-n", "/usr/bin/true")),
		ours:   slow("ours", long, argv{"{}worker", "start", "sudo", "-n", "{}helper", "{}large.conf"}),
		target: report.Target{Ratio: 1.25},
	}}
}
