package rows

import (
	"os"
	"strings"
	"time"

	"github.com/privhelper/privhelper/bench/internal/lab"
	"github.com/privhelper/privhelper/bench/internal/report"
	"github.com/privhelper/privhelper/bench/internal/turn"
)

// overService is a contender that needs the service.
func overService(c contender) contender {
	return contender{c.name, func(l *lab.Lab) (player, error) {
		if err := l.Serve(); err != nil {
			return nil, err
		}
		return c.open(l)
	}}
}

// sizes are rows 8, 9 and 16: memory, output, the binary.
func sizes() []contest {
	bare := argv{"{}bare", "serve"}
	helper := argv{"env", "{}helper"}
	stock := argv{"env", "{}privhelper", "daemon", "--config", "{}large.conf"}
	var all []contest
	for _, m := range []struct {
		what string
		most float64
	}{{"Rss", 6}, {"Pss", 4}} {
		all = append(all, contest{
			row: 8, what: "memory of an idle helper with entrypoints, " + strings.ToUpper(m.what), unit: report.Megabytes,
			limit:  memory("bare Go helper", m.what, on(argv{"{}worker", "start-bare-idle"}, bare)),
			ours:   memory("ours", m.what, on(argv{"{}worker", "call"}, helper)),
			target: report.Target{Value: m.most}, turns: 3,
		}, contest{
			row: 8, what: "the same that runs commands, 313 rules, " + strings.ToUpper(m.what), unit: report.Megabytes,
			limit:  memory("bare Go helper", m.what, on(argv{"{}worker", "start-bare-idle"}, bare)),
			ours:   memory("ours", m.what, on(argv{"{}worker", "command"}, stock)),
			peers:  []contender{memory("oslo.rootwrap daemon", m.what, rootwrap)},
			target: report.Target{Value: m.most, Ahead: true}, turns: 3,
		})
	}
	const long = 500 * time.Millisecond
	return append(all, contest{
		row: 9, what: "output of a command, 256 MiB a time", unit: report.Gigabytes,
		limit:  throughput("a pipe", long, argv{"{}worker", "pipe", "/usr/bin/head"}),
		ours:   throughput("ours", long, on(argv{"{}worker", "output"}, argv{"env", "{}privhelper", "daemon", "--config", "{}small.conf"})),
		target: report.Target{Ratio: 0.95},
	}, contest{
		row: 16, what: "the binary, stripped", unit: report.Megabytes,
		limit:  figure("Go hello world", size("hello")),
		ours:   figure("ours", size("privhelper")),
		target: report.Target{Value: 6}, turns: 1,
	})
}

// throughput measures GB/s of operations that move 256 MiB each.
func throughput(name string, long time.Duration, a argv) contender {
	return contender{name, func(l *lab.Lab) (player, error) {
		p, err := open(l, a, 1, long, func(s turn.Sample) float64 { return (256 << 20) / s.Quantile(0.5).Seconds() / 1e9 })
		return batches{p}, err
	}}
}

// size is that of one of the lab's programs, in MB.
func size(name string) func(*lab.Lab) (float64, error) {
	return func(l *lab.Lab) (float64, error) {
		fi, err := os.Stat(l.Path(name))
		if err != nil {
			return 0, err
		}
		return float64(fi.Size()) / 1e6, nil
	}
}

// memory is what the only child of a program that answers turns holds when it is idle, in MB, after a turn of work.
func memory(name, what string, a argv) contender {
	return contender{name, func(l *lab.Lab) (player, error) {
		p, err := open(l, a, 1, defaultTurn, nil)
		if err != nil {
			return nil, err
		}
		return &resident{p.(*program), what}, nil
	}}
}

type resident struct {
	*program
	what string
}

func (r *resident) turn() (reading, error) {
	if _, err := r.process.Turn(1, r.long); err != nil {
		return reading{}, err
	}
	value, err := memoryOf(r.process, r.what)
	return reading{value: value}, err
}
