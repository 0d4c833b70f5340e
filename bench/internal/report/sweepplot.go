package report

import (
	"fmt"
	"math"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// drawSweeps writes one SVG for each sweep: each cost as a multiple of what it is at the first point, so that what is flat looks
// flat whatever its unit, with a bar from its least turn to its greatest.
func (r *Run) drawSweeps(folder string) error {
	for i := range r.Sweeps {
		s := &r.Sweeps[i]
		if err := s.draw(filepath.Join(folder, "scale-"+s.Name+".svg"), r.Machine); err != nil {
			return fmt.Errorf("plot scale-%s: %w", s.Name, err)
		}
	}
	return nil
}

func (s *Sweep) draw(path string, m Machine) error {
	p := plot.New()
	p.Title.Text = fmt.Sprintf("cost by %s\n%d × %s, Linux %s, %s UTC", s.What, m.CPUs, m.CPU, m.Kernel, m.Time)
	p.X.Label.Text, p.Y.Label.Text = s.What, "multiple of the first point"
	if s.At[len(s.At)-1] > 20*s.At[0] {
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	}
	most := 2.0
	for i := range s.Lines {
		l := &s.Lines[i]
		points := spread{}
		for j, f := range l.Points {
			low, high := f.Low/f.Median*l.Growth(j), f.High/f.Median*l.Growth(j)
			if l.Unit.larger() {
				low, high = f.Median/f.High*l.Growth(j), f.Median/f.Low*l.Growth(j)
			}
			points.XYs = append(points.XYs, plotter.XY{X: float64(s.At[j]), Y: l.Growth(j)})
			points.YErrors = append(points.YErrors, struct{ Low, High float64 }{l.Growth(j) - low, high - l.Growth(j)})
			most = math.Max(most, high)
		}
		line, marks, err := plotter.NewLinePoints(points)
		if err != nil {
			return err
		}
		bars, err := plotter.NewYErrorBars(points)
		if err != nil {
			return err
		}
		line.Color, line.Width, marks.Color, bars.Color = plotutil.Color(i), vg.Points(2), plotutil.Color(i), plotutil.Color(i)
		p.Add(line, marks, bars)
		p.Legend.Add(fmt.Sprintf("%s: %s %s at first, %s at last", l.What, number(l.Points[0].Median), l.Unit, number(l.Points[len(l.Points)-1].Median)), line)
	}
	p.Y.Min, p.Y.Max = 0, most*1.1
	p.Legend.YPosition = -1
	p.Add(plotter.NewGrid())
	return p.Save(vg.Centimeter*24, vg.Centimeter*14, path)
}

// spread is points with what they may be off.
type spread struct {
	plotter.XYs
	plotter.YErrors
}
