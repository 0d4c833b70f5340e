package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMisses: what a target asks and a case does not have is said, for units of both kinds; what was not measured is not.
func TestMisses(t *testing.T) {
	at := func(ours, ratio, p99 float64) Case {
		return Case{Unit: Microseconds, Ours: Figure{Median: ours, P99: p99}, Limit: Figure{Name: "C", Ratio: ratio},
			Target: Target{Value: 10, Ratio: 2, P99: 100, Ahead: true, Peers: map[string]float64{"sudo": 0.5, "absent": 0.1}}}
	}
	for _, test := range []struct {
		c    Case
		unit Unit
		peer float64
		want int
	}{
		{at(10, 2, 100), Microseconds, 0.5, 0},
		{at(11, 2.1, 101), Microseconds, 0.5, 3},
		{at(10, 2, 100), Microseconds, 0.6, 1},
		{at(10, 2, 100), Microseconds, 1.1, 2},
		{at(9, 1.9, 100), PerSecond, 1.1, 2},
		{at(10, 2, 100), PerSecond, 0.4, 2},
	} {
		test.c.Unit, test.c.Peers = test.unit, []Figure{{Name: "sudo", Ratio: test.peer}}
		if got := test.c.Misses(); len(got) != test.want {
			t.Errorf("%+v: %q, want %d", test.c, got, test.want)
		}
	}
}

// TestRows: a row meets its target where all its cases do.
func TestRows(t *testing.T) {
	good, bad := Case{Row: 1, Target: Target{Value: 1}}, Case{Row: 1, Ours: Figure{Median: 2}, Target: Target{Value: 1}}
	for _, cases := range [][]Case{{good, bad}, {bad, good}} {
		r := Run{Cases: append(cases, Case{Row: 2})}
		if met, measured := r.Rows(); met != 1 || measured != 2 {
			t.Errorf("%d of %d", met, measured)
		}
	}
}

// TestWrite: the table takes the place of the one before, and what people wrote around it stays.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	page := filepath.Join(dir, "benchmarks.md")
	before := "# Ours\n" + tableBegins + "old\n" + tableEnds + "## Why\n"
	if err := os.WriteFile(page, []byte(before), 0o644); err != nil {
		t.Fatal(err)
	}
	r := Run{Cases: []Case{{Row: 1, What: "a call", Unit: Microseconds, Limit: Figure{Name: "C", Median: 3, Low: 2, High: 4, Ratio: 2},
		Ours: Figure{Name: "ours", Median: 6, Low: 5, High: 7}, Target: Target{Ratio: 1.6}}},
		Sweeps: []Sweep{{Name: "clients", What: "clients of it", At: []int{1, 1000}, Lines: []Line{{What: "a call", Unit: Microseconds, Most: 1.5,
			Points: []Figure{{Median: 10, Low: 9, High: 11}, {Median: 12, Low: 11, High: 13}}}}}}}
	for range 2 {
		if err := r.Write(dir); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# Ours\n", "## Why\n", "| 1 | a call |", "**missed**", "1: **10.0**, 1,000: **12.0** | 1.20 | ≤ 1.5: met"} {
		if strings.Count(string(text), want) != 1 {
			t.Errorf("%q is not there once:\n%s", want, text)
		}
	}
	for _, name := range []string{"latency", "scale-clients"} {
		if svg, err := os.ReadFile(filepath.Join(dir, "benchmarks", name+".svg")); err != nil || !strings.Contains(string(svg), "a call") {
			t.Errorf("plot %s: %v, %d bytes", name, err, len(svg))
		}
	}
}

// TestGrowth: a cost that grows and a rate that falls are the same thing; a line is judged by its last point.
func TestGrowth(t *testing.T) {
	points := func(medians ...float64) (all []Figure) {
		for _, m := range medians {
			all = append(all, Figure{Median: m})
		}
		return all
	}
	for _, test := range []struct {
		l    Line
		want float64
		flat bool
	}{
		{Line{Unit: Microseconds, Points: points(10, 90, 15), Most: 1.5}, 1.5, true},
		{Line{Unit: Microseconds, Points: points(10, 10, 20), Most: 1.5}, 2, false},
		{Line{Unit: PerSecond, Points: points(10, 20), Most: 1.5}, 0.5, true},
		{Line{Unit: PerSecond, Points: points(20, 10), Most: 1.5}, 2, false},
	} {
		if got := test.l.Growth(len(test.l.Points) - 1); got != test.want || test.l.flat() != test.flat {
			t.Errorf("%+v: grows by %v, flat %v", test.l, got, test.l.flat())
		}
	}
}
