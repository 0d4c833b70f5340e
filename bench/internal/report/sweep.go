package report

import (
	"fmt"
	"io"
	"strings"
)

// A Sweep is how costs grow with one thing: rules, clients, calls.
type Sweep struct {
	Name  string `json:"name"` // the plot's file
	What  string `json:"what"` // what grows
	At    []int  `json:"at"`   // how much of it there is, at each point
	Lines []Line `json:"lines"`
}

// A Line is one cost of a Sweep, a Figure for each point. Most is the target, by how much the last point may cost more than the
// first; 0: it is shown and not judged.
type Line struct {
	What   string   `json:"what"`
	Unit   Unit     `json:"unit"`
	Points []Figure `json:"points"`
	Most   float64  `json:"most,omitempty"`
}

// Growth is by how much point i costs more than the first: 1 is the same.
func (l *Line) Growth(i int) float64 {
	first, now := l.Points[0].Median, l.Points[i].Median
	if l.Unit.larger() {
		return first / now
	}
	return now / first
}

// flat says whether the line meets its target.
func (l *Line) flat() bool { return l.Growth(len(l.Points)-1) <= l.Most }

// scale writes the sweeps for docs/benchmarks.md.
func (r *Run) scale(w io.Writer) {
	if len(r.Sweeps) == 0 {
		return
	}
	flat, judged := 0, 0
	var rows strings.Builder
	for _, s := range r.Sweeps {
		what := fmt.Sprintf("[%s](benchmarks/scale-%s.svg)", s.What, s.Name)
		for i := range s.Lines {
			l := &s.Lines[i]
			target := ""
			if l.Most != 0 {
				target = fmt.Sprintf("≤ %.3g: **missed**", l.Most)
				if judged++; l.flat() {
					flat++
					target = fmt.Sprintf("≤ %.3g: met", l.Most)
				}
			}
			fmt.Fprintf(&rows, "| %s | %s, %s | %s | %.2f | %s |\n", what, l.What, l.Unit, s.points(l), l.Growth(len(l.Points)-1), target)
			what = ""
		}
	}
	fmt.Fprintf(w, "\nScale: %d of %d costs are flat.\n\n", flat, judged)
	fmt.Fprint(w, "| what grows | cost | at each point (p99 µs) | last by first | target |\n|---|---|---|---|---|\n", rows.String())
}

// points are the figures of a line, with their p99 where there is one.
func (s *Sweep) points(l *Line) string {
	var all []string
	for i, p := range l.Points {
		text := fmt.Sprintf("%s: **%s**", whole(s.At[i]), number(p.Median))
		if p.P99 != 0 {
			text += fmt.Sprintf(" (%s)", number(p.P99))
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

// Summary is a sweep for a terminal, a line for each of its own.
func (s *Sweep) Summary() string {
	var b strings.Builder
	for i := range s.Lines {
		l := &s.Lines[i]
		missed := ""
		if l.Most != 0 && !l.flat() {
			missed = fmt.Sprintf("; MISSED: ≤ %.3g", l.Most)
		}
		fmt.Fprintf(&b, "   %s: %s, %s: %s; %.2f%s\n", s.What, l.What, l.Unit, strings.ReplaceAll(s.points(l), "**", ""), l.Growth(len(l.Points)-1), missed)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
