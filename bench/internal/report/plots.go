package report

import (
	"fmt"
	"image/color"
	"math"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// plots are the rows that are drawn, each with the file's name and what it shows.
var plots = []struct {
	name, what string
	rows       []int
}{
	{"latency", "one caller", []int{1, 3}},
	{"throughput", "by callers", []int{2, 4}},
	{"memory", "an idle helper", []int{8}},
	{"policy", "a decision, by rules", []int{13}},
	{"handover", "a lock that somebody waits for", []int{10, 11}},
}

// Draw writes the plots into a folder, one SVG each: a line for each contender of each case, from its least turn to its greatest, on a
// logarithmic scale.
func (r *Run) Draw(folder string) error {
	for _, p := range plots {
		var cases []*Case
		for _, row := range p.rows {
			for i := range r.Cases {
				if r.Cases[i].Row == row {
					cases = append(cases, &r.Cases[i])
				}
			}
		}
		if len(cases) == 0 {
			continue
		}
		if err := r.draw(filepath.Join(folder, p.name+".svg"), p.name+": "+p.what, cases); err != nil {
			return fmt.Errorf("plot %s: %w", p.name, err)
		}
	}
	return nil
}

func (r *Run) draw(path, title string, cases []*Case) error {
	p := plot.New()
	p.Title.Text = fmt.Sprintf("%s\n%d × %s, Linux %s, %s UTC", title, r.Machine.CPUs, r.Machine.CPU, r.Machine.Kernel, r.Machine.Time)
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.X.Label.Text = "median"
	var names []string
	colours := map[string]color.Color{}
	add := func(c *Case, f Figure) error {
		if f.Name == "" {
			return nil
		}
		if colours[f.Name] == nil {
			colours[f.Name] = plotutil.Color(len(colours))
		}
		at := float64(len(names))
		names = append(names, fmt.Sprintf("%d %s: %s %s %s", c.Row, c.What, f.Name, number(f.Median), c.Unit))
		line, points, err := plotter.NewLinePoints(plotter.XYs{{X: f.Low, Y: at}, {X: f.Median, Y: at}, {X: math.Max(f.High, f.Median), Y: at}})
		if err != nil {
			return err
		}
		line.Color, line.Width, points.Color = colours[f.Name], vg.Points(3), colours[f.Name]
		p.Add(line, points)
		return nil
	}
	for i := len(cases) - 1; i >= 0; i-- {
		c := cases[i]
		for _, f := range append([]Figure{c.Limit, c.Ours}, c.Peers...) {
			if err := add(c, f); err != nil {
				return err
			}
		}
	}
	p.NominalY(names...)
	return p.Save(vg.Centimeter*34, vg.Centimeter*vg.Length(3+len(names)*6/10), path)
}
