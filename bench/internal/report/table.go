package report

import (
	"fmt"
	"io"
	"strings"
)

// A Run is everything that one run measured, on one machine.
type Run struct {
	Machine Machine  `json:"machine"`
	Cases   []Case   `json:"cases"`
	Sweeps  []Sweep  `json:"sweeps,omitempty"`
	Missing []string `json:"missing,omitempty"` // what could not be measured, with the reason
}

// Rows counts the rows that were measured and those that meet their target: all their cases do.
func (r *Run) Rows() (met, measured int) {
	rows := map[int]bool{}
	for i := range r.Cases {
		c := &r.Cases[i]
		good, seen := rows[c.Row]
		rows[c.Row] = len(c.Misses()) == 0 && (good || !seen)
	}
	for _, good := range rows {
		if measured++; good {
			met++
		}
	}
	return met, measured
}

// Table writes the run for docs/benchmarks.md.
func (r *Run) Table(w io.Writer) {
	met, measured := r.Rows()
	fmt.Fprintf(w, "%s.\n\n", r.Machine)
	fmt.Fprintf(w, "%d of %d rows that were measured meet their target.\n\n", met, measured)
	fmt.Fprintln(w, "| | what | limit | ours (least to greatest turn; p99) | ratio to limit | peers, and ours by theirs | target | |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|")
	last := 0
	for i := range r.Cases {
		c := &r.Cases[i]
		row := ""
		if c.Row != last {
			row, last = fmt.Sprint(c.Row), c.Row
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", row, c.What, c.limit(), c.ours(), ratio(c.Limit), c.peers(),
			c.Target.words(c.Unit), c.verdict())
	}
	r.scale(w)
	for _, m := range r.Missing {
		fmt.Fprintf(w, "\nNot measured: %s.\n", m)
	}
}

func (c *Case) limit() string {
	if c.Limit.Name == "" {
		return "—"
	}
	return fmt.Sprintf("%s: %s %s", c.Limit.Name, number(c.Limit.Median), c.Unit)
}

func (c *Case) ours() string {
	s := fmt.Sprintf("**%s %s**", number(c.Ours.Median), c.Unit)
	if c.Ours.Low != c.Ours.High {
		s += fmt.Sprintf(" (%s to %s", number(c.Ours.Low), number(c.Ours.High))
		if c.Ours.P99 != 0 {
			s += fmt.Sprintf("; p99 %s µs", number(c.Ours.P99))
		}
		s += ")"
	}
	return s
}

func ratio(f Figure) string {
	switch {
	case f.Ratio == 0:
		return "—"
	case f.RatioLow == f.RatioHigh:
		return fmt.Sprintf("%.2f", f.Ratio)
	}
	return fmt.Sprintf("%.2f (%.2f to %.2f)", f.Ratio, f.RatioLow, f.RatioHigh)
}

func (c *Case) peers() string {
	var all []string
	for _, p := range c.Peers {
		all = append(all, fmt.Sprintf("%s %s %s: %s", p.Name, number(p.Median), c.Unit, small(p.Ratio)))
	}
	return strings.Join(all, "; ")
}

// small writes a ratio that may be far below 1.
func small(f float64) string {
	if f < 0.1 {
		return fmt.Sprintf("%.2g", f)
	}
	return fmt.Sprintf("%.2f", f)
}

func (c *Case) verdict() string {
	switch misses := c.Misses(); {
	case c.Target.words(c.Unit) == "":
		return ""
	case len(misses) == 0:
		return "met"
	default:
		return "**missed**: " + strings.Join(misses, "; ")
	}
}

// Line is a case for a terminal.
func (c *Case) Line() string {
	s := fmt.Sprintf("%2d %-62s %10s %-4s", c.Row, c.What, number(c.Ours.Median), c.Unit)
	if c.Limit.Name != "" {
		s += fmt.Sprintf(" = %.2f × %s", c.Limit.Ratio, c.Limit.Name)
	}
	if c.Ours.P99 != 0 {
		s += fmt.Sprintf(", p99 %s µs", number(c.Ours.P99))
	}
	for _, p := range c.Peers {
		s += fmt.Sprintf(", %s × %s", small(p.Ratio), p.Name)
	}
	if misses := c.Misses(); len(misses) > 0 {
		s += "; MISSED: " + strings.Join(misses, "; ")
	}
	return s
}
