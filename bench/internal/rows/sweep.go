package rows

import (
	"fmt"
	"slices"

	"github.com/privhelper/privhelper/bench/internal/lab"
	"github.com/privhelper/privhelper/bench/internal/report"
)

// A sweep is how costs grow with one thing, before it was measured.
type sweep struct {
	name, what string
	at         []int
	lines      []report.Line                             // without points
	open       func(l *lab.Lab, n int) ([]player, error) // one for each line
}

// sweepTurns is how often each cost is measured each time that its point is come to.
const sweepTurns = 3

// run goes up through the points and down again, so that what else the machine does meets them alike, and so that what a large
// number leaves behind is seen at the small ones.
func (s sweep) run(l *lab.Lab) (report.Sweep, error) {
	result := report.Sweep{Name: s.name, What: s.what, At: s.at, Lines: s.lines}
	all := make([][]scores, len(s.lines)) // by line and point
	for i := range all {
		all[i] = make([]scores, len(s.at))
	}
	order := make([]int, 0, 2*len(s.at))
	for i := range s.at {
		order = append(order, i)
	}
	order = append(order, order...)
	slices.Reverse(order[len(s.at):])
	for _, point := range order {
		if err := s.visit(l, s.at[point], func(line int) *scores { return &all[line][point] }); err != nil {
			return result, fmt.Errorf("scale, %s, %d: %w", s.what, s.at[point], err)
		}
	}
	for i := range result.Lines {
		for point := range s.at {
			result.Lines[i].Points = append(result.Lines[i].Points, all[i][point].figure(nil))
		}
	}
	return result, nil
}

// visit measures every line at one point.
func (s sweep) visit(l *lab.Lab, n int, at func(line int) *scores) error {
	players, err := s.open(l, n)
	if err != nil {
		return err
	}
	for _, p := range players {
		defer p.close()
	}
	for _, p := range players { // does not count
		if _, err := p.turn(); err != nil {
			return err
		}
	}
	for range sweepTurns {
		for line, p := range players {
			sc := at(line)
			sc.player = p
			if err := sc.play(); err != nil {
				return err
			}
		}
	}
	return nil
}
