package rows

import (
	"fmt"
	"strconv"
	"time"

	"github.com/privhelper/privhelper/bench/internal/lab"
	"github.com/privhelper/privhelper/bench/internal/report"
	"github.com/privhelper/privhelper/bench/internal/turn"
)

// flat is what "flat" means, as in row 13: the last point costs no more than this by the first.
const flat = 1.5

// scale is how the cost of one call grows with everything that can grow.
var scale = []func(*lab.Lab) (report.Sweep, error){byRules.run, byClients.run, inFlight.run, byCalls}

// alone pins a program and what it starts to one CPU: where the kernel puts a caller and its helper changes what a call costs more
// than what is measured here.
func alone(a ...string) argv { return on(oneCPU, a) }

var byRules = sweep{
	name: "rules", what: "rules of a policy", at: []int{10, 100, 1000, 10_000},
	lines: []report.Line{
		{What: "a decision, a literal rule allows it", Unit: report.Nanoseconds, Most: flat},
		{What: "a rule with patterns allows it", Unit: report.Nanoseconds, Most: flat},
		{What: "none allows it", Unit: report.Nanoseconds, Most: flat},
	},
	open: func(l *lab.Lab, n int) (all []player, err error) {
		for _, kind := range []string{"literal", "pattern", "refused"} {
			p, err := nanoseconds(kind, argv{"{}worker", "decide", strconv.Itoa(n), kind}).open(l)
			if err != nil {
				return nil, err
			}
			all = append(all, p)
		}
		return all, nil
	},
}

// byClients keeps connections open to the service that ships, each with a worker of its own, and has commands run by them in
// turn.
var byClients = sweep{
	name: "clients", what: "clients of the service", at: []int{1, 10, 100, 1000},
	lines: []report.Line{
		{What: "true by one of them after the other", Unit: report.Microseconds, Most: flat},
		{What: "true by 8 of them at a time", Unit: report.PerSecond, Most: flat},
		{What: "memory (PSS) of one process of the service", Unit: report.Megabytes, Most: flat},
	},
	open: func(l *lab.Lab, n int) ([]player, error) {
		if err := l.Serve(); err != nil {
			return nil, err
		}
		p, err := turn.Start(l.Argv(argv{"{}worker", "clients", "{}service.sock", strconv.Itoa(n)})...)
		if err != nil {
			return nil, err
		}
		return []player{
			&program{p, 1, rateTurn, medianOf},
			view{&program{p, 8, rateTurn, turn.Sample.PerSecond}},
			number{l, func(l *lab.Lab) (float64, error) { return l.ServiceMemory(n) }},
		}, nil
	},
}

// inFlight has a helper hold calls that wait, and makes one more.
var inFlight = sweep{
	name: "inflight", what: "calls in flight", at: []int{1, 10, 100, 1000, 10_000},
	lines: []report.Line{
		{What: "one more call", Unit: report.Microseconds, Most: flat},
		{What: "memory (RSS) of the helper", Unit: report.Megabytes},
	},
	open: func(l *lab.Lab, n int) ([]player, error) {
		p, err := turn.Start(l.Argv(alone("{}worker", "held", strconv.Itoa(n-1), "env", "{}helper"))...)
		if err != nil {
			return nil, err
		}
		return []player{&program{p, 1, defaultTurn, medianOf}, number{l, func(*lab.Lab) (float64, error) { return memoryOf(p, "Rss") }}}, nil
	},
}

// medianOf is the median of a turn in µs.
func medianOf(s turn.Sample) float64 { return microseconds(s.Quantile(0.5)) }

// A view plays on a process that another closes.
type view struct{ player }

func (view) close() {}

// byCalls makes a million calls by one client of one helper.
func byCalls(l *lab.Lab) (report.Sweep, error) {
	const all, step = 1_000_000, 100_000 // a point may have some more: turns are whole
	s := report.Sweep{Name: "calls", What: "calls made", Lines: []report.Line{
		{What: "one more call", Unit: report.Microseconds, Most: flat},
		{What: "memory (RSS) of the helper", Unit: report.Megabytes, Most: flat},
	}}
	p, err := turn.Start(l.Argv(alone("{}worker", "call", "env", "{}helper"))...)
	if err != nil {
		return s, err
	}
	defer p.Close()
	calls := scores{player: &program{p, 1, defaultTurn, medianOf}}
	for made, next := 0, step; next <= all; next += step {
		calls.values, calls.each = nil, nil
		for made < next {
			before := len(calls.each)
			if err := calls.play(); err != nil {
				return s, fmt.Errorf("scale, after %d calls: %w", made, err)
			}
			made += len(calls.each) - before
		}
		rss, err := memoryOf(p, "Rss")
		if err != nil {
			return s, err
		}
		s.At = append(s.At, next)
		s.Lines[0].Points = append(s.Lines[0].Points, calls.figure(nil))
		s.Lines[1].Points = append(s.Lines[1].Points, report.Figure{Median: rss, Low: rss, High: rss})
	}
	return s, nil
}

// memoryOf is what the only child of a program holds when it is idle.
func memoryOf(p *turn.Process, what string) (float64, error) {
	time.Sleep(100 * time.Millisecond) // idle
	pid, err := p.Child()
	if err != nil {
		return 0, err
	}
	return lab.Memory(pid, what)
}
