// Command soak draws what attack.TestSoak counted: soak FILE.csv FILE.svg. Each count is drawn as a share of its greatest, so that what
// grows shows, whatever its unit; the legend has its least and its greatest.
package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

func main() {
	if err := draw(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func draw(args []string) error {
	if len(args) != 2 {
		return errors.New("write: soak FILE.csv FILE.svg")
	}
	in, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer in.Close()
	rows, err := csv.NewReader(in).ReadAll()
	if err != nil {
		return err
	}
	if len(rows) < 3 {
		return fmt.Errorf("%s has no two rounds", args[0])
	}
	p := plot.New()
	last := rows[len(rows)-1]
	p.Title.Text = fmt.Sprintf("random work with random kills: %s s, %s actions", last[0], last[1])
	p.X.Label.Text, p.Y.Label.Text = "seconds", "share of its greatest, each on a line of its own"
	p.Legend.YPosition = -1
	names := rows[0][2:]
	for i, name := range names {
		points, low, high, err := column(rows[1:], i+2)
		if err != nil {
			return err
		}
		for j := range points {
			points[j].Y = points[j].Y/max(high, 1)*0.8 + float64(len(names)-1-i)
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			return err
		}
		line.Color = plotutil.Color(i)
		p.Add(line)
		p.Legend.Add(fmt.Sprintf("%s: %.0f to %.0f", name, low, high), line)
	}
	p.Y.Tick.Marker = plot.ConstantTicks(nil)
	p.X.Max *= 1.4 // room for the legend
	p.Legend.Top = true
	return p.Save(vg.Centimeter*28, vg.Centimeter*18, args[1])
}

// column reads one count of every round, over the seconds.
func column(rows [][]string, i int) (points plotter.XYs, low, high float64, err error) {
	for n, row := range rows {
		x, xerr := strconv.ParseFloat(row[0], 64)
		y, yerr := strconv.ParseFloat(row[i], 64)
		if err := errors.Join(xerr, yerr); err != nil {
			return nil, 0, 0, err
		}
		if n == 0 || y < low {
			low = y
		}
		high = max(high, y)
		points = append(points, plotter.XY{X: x, Y: y})
	}
	return points, low, high, nil
}
