package rows

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/privhelper/privhelper/bench/internal/lab"
	"github.com/privhelper/privhelper/bench/internal/report"
)

// Scale names the sweeps among the rows that are wanted.
const Scale = "scale"

// Measure runs the rows that are wanted, by number, and the sweeps, all if none is named, with the peers if they are to be there, and says on progress
// what it does. It begins no contest after most; 0: no bound. An error is one of measuring; what was measured before it is in
// the run.
func Measure(l *lab.Lab, wanted []string, peers bool, most time.Duration, progress io.Writer) (*report.Run, error) {
	begin := time.Now()
	run := &report.Run{Machine: report.ThisMachine()}
	var all []contest
	for _, some := range []func() []contest{calls, commands, oneShots, sizes, locks, policy} {
		all = append(all, some()...)
	}
	slices.SortStableFunc(all, func(a, b contest) int { return a.row - b.row })
	for _, c := range all {
		if len(wanted) > 0 && !slices.Contains(wanted, strconv.Itoa(c.row)) {
			continue
		}
		if most > 0 && time.Since(begin) > most {
			return run, fmt.Errorf("row %d, %s: no time was left", c.row, c.what)
		}
		result, missing, err := c.run(l, peers)
		if err != nil {
			return run, err
		}
		run.Cases, run.Missing = append(run.Cases, result), append(run.Missing, missing...)
		fmt.Fprintln(progress, result.Line())
	}
	if len(wanted) > 0 && !slices.Contains(wanted, Scale) {
		return run, nil
	}
	for _, measure := range scale {
		if most > 0 && time.Since(begin) > most {
			return run, fmt.Errorf("scale: no time was left")
		}
		s, err := measure(l)
		if err != nil {
			return run, err
		}
		run.Sweeps = append(run.Sweeps, s)
		fmt.Fprintln(progress, s.Summary())
	}
	return run, nil
}
