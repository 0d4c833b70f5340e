package rows

import (
	"time"

	"github.com/privhelper/privhelper/bench/internal/lab"
	"github.com/privhelper/privhelper/bench/internal/turn"
)

// defaultTurn is how long a turn lasts.
const defaultTurn = 200 * time.Millisecond

// A command line of the lab: "{}" begins a path within it.
type argv []string

// program is a process that answers turns.
type program struct {
	process *turn.Process
	callers int
	long    time.Duration
	value   func(turn.Sample) float64
}

func (p *program) close() { p.process.Close() }

func (p *program) turn() (reading, error) {
	s, err := p.process.Turn(p.callers, p.long)
	if err != nil {
		return reading{}, err
	}
	r := reading{value: p.value(s)}
	for _, d := range s.Each {
		r.each = append(r.each, microseconds(d))
	}
	return r, nil
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// latency measures the median of one caller's operations in µs.
func latency(name string, a argv) contender {
	return contender{name, func(l *lab.Lab) (player, error) {
		return open(l, a, 1, defaultTurn, func(s turn.Sample) float64 { return microseconds(s.Quantile(0.5)) })
	}}
}

// slow is latency for operations of which a turn would otherwise have few.
func slow(name string, long time.Duration, a argv) contender {
	return contender{name, func(l *lab.Lab) (player, error) {
		return open(l, a, 1, long, func(s turn.Sample) float64 { return microseconds(s.Quantile(0.5)) })
	}}
}

// nanoseconds is latency in ns, of operations that are measured many at once, of which there is no p99.
func nanoseconds(name string, a argv) contender {
	return contender{name, func(l *lab.Lab) (player, error) {
		p, err := open(l, a, 1, defaultTurn/3, func(s turn.Sample) float64 { return float64(s.Quantile(0.5)) })
		return batches{p}, err
	}}
}

// batches hides the single operations of a program, each of which is many.
type batches struct{ player }

func (b batches) turn() (reading, error) {
	r, err := b.player.turn()
	return reading{value: r.value}, err
}

// rate measures how many operations so many callers have in a second.
func rate(name string, callers int, long time.Duration, a argv) contender {
	return contender{name, func(l *lab.Lab) (player, error) { return open(l, a, callers, long, turn.Sample.PerSecond) }}
}

func open(l *lab.Lab, a argv, callers int, long time.Duration, value func(turn.Sample) float64) (player, error) {
	p, err := turn.Start(l.Argv(a)...)
	if err != nil {
		return nil, err
	}
	return &program{p, callers, long, value}, nil
}

// figure is a contender that is one number and needs no turns.
func figure(name string, measure func(*lab.Lab) (float64, error)) contender {
	return contender{name, func(l *lab.Lab) (player, error) { return number{l, measure}, nil }}
}

type number struct {
	lab     *lab.Lab
	measure func(*lab.Lab) (float64, error)
}

func (number) close() {}

func (n number) turn() (reading, error) {
	value, err := n.measure(n.lab)
	return reading{value: value}, err
}
