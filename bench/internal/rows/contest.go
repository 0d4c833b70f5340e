// Package rows has the rows of the comparison: what is measured, against which limit and which peers, with which target.
package rows

import (
	"fmt"
	"slices"

	"github.com/privhelper/privhelper/bench/internal/lab"
	"github.com/privhelper/privhelper/bench/internal/report"
)

// A contest is one line of the table before it was measured.
type contest struct {
	row    int
	what   string
	unit   report.Unit
	limit  contender // one without a name: there is no limit to measure
	ours   contender
	peers  []contender
	target report.Target
	turns  int // 0: defaultTurns
}

const defaultTurns = 5

// A contender can be measured.
type contender struct {
	name string
	open func(*lab.Lab) (player, error)
}

// A player is a contender that is ready for its turns.
type player interface {
	turn() (reading, error)
	close()
}

// A reading is what one turn came to, in the unit of its contest, with its operations in µs where there are some.
type reading struct {
	value float64
	each  []float64
}

// run measures one contest. A limit or ours that cannot be measured is an error; a peer that cannot is named in missing.
func (c contest) run(l *lab.Lab, withPeers bool) (result report.Case, missing []string, err error) {
	result = report.Case{Row: c.row, What: c.what, Unit: c.unit, Target: c.target}
	contenders := []contender{c.ours}
	if c.limit.name != "" {
		contenders = append(contenders, c.limit)
	}
	if withPeers {
		contenders = append(contenders, c.peers...)
	}
	var all []*scores
	for i, contender := range contenders {
		s, err := contender.enter(l)
		if err != nil && i < len(contenders)-len(c.peers) || err != nil && !withPeers {
			return result, nil, fmt.Errorf("row %d, %s, %s: %w", c.row, c.what, contender.name, err)
		}
		if err != nil {
			missing = append(missing, fmt.Sprintf("%s in row %d: %v", contender.name, c.row, err))
			continue
		}
		defer s.player.close()
		all = append(all, s)
	}
	for range max(c.turns, defaultTurns*(1-min(c.turns, 1))) {
		for _, s := range all {
			if err := s.play(); err != nil {
				return result, nil, fmt.Errorf("row %d, %s, %s: %w", c.row, c.what, s.name, err)
			}
		}
	}
	result.Ours = all[0].figure(nil)
	rest := all[1:]
	if c.limit.name != "" {
		result.Limit = rest[0].figure(all[0])
		rest = rest[1:]
	}
	for _, s := range rest {
		result.Peers = append(result.Peers, s.figure(all[0]))
	}
	return result, missing, nil
}

// scores are what a contender's turns came to.
type scores struct {
	name   string
	player player
	values []float64
	each   []float64
}

// enter makes a contender ready, and plays a turn that does not count.
func (c contender) enter(l *lab.Lab) (*scores, error) {
	p, err := c.open(l)
	if err != nil {
		return nil, err
	}
	if _, err := p.turn(); err != nil {
		p.close()
		return nil, err
	}
	return &scores{name: c.name, player: p}, nil
}

func (s *scores) play() error {
	r, err := s.player.turn()
	s.values, s.each = append(s.values, r.value), append(s.each, r.each...)
	return err
}

// figure sums the turns up, and holds ours against them, turn by turn.
func (s *scores) figure(ours *scores) report.Figure {
	f := report.Figure{Name: s.name, Median: median(s.values), Low: slices.Min(s.values), High: slices.Max(s.values)}
	if len(s.each) > 0 {
		f.P99 = quantile(s.each, 0.99)
	}
	if ours != nil {
		ratios := make([]float64, len(s.values))
		for i := range ratios {
			ratios[i] = ours.values[i] / s.values[i]
		}
		f.Ratio, f.RatioLow, f.RatioHigh = median(ratios), slices.Min(ratios), slices.Max(ratios)
	}
	return f
}

func median(values []float64) float64 { return quantile(values, 0.5) }

func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(float64(len(sorted))*q), len(sorted)-1)]
}
