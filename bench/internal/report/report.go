// Package report holds what was measured, judges it, and writes it down: JSON, a table, plots.
package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Unit says what a figure counts.
type Unit string

// The units of the rows. Rates are better when they are larger, all others when they are smaller.
const (
	Microseconds Unit = "µs"
	Nanoseconds  Unit = "ns"
	PerSecond    Unit = "/s"
	Gigabytes    Unit = "GB/s"
	Megabytes    Unit = "MB"
)

func (u Unit) larger() bool { return u == PerSecond || u == Gigabytes }

// A Figure is what one contender came to: the median of its turns with the least and the greatest of them, and what one
// operation of a hundred took longer than, over all turns; 0: there are no single operations.
type Figure struct {
	Name   string  `json:"name"`
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	P99    float64 `json:"p99,omitempty"` // µs
	// Ratio is ours by this one's: the median of the ratios turn by turn, and the least and the greatest of these.
	Ratio     float64 `json:"ratio,omitempty"`
	RatioLow  float64 `json:"ratio_low,omitempty"`
	RatioHigh float64 `json:"ratio_high,omitempty"`
}

// A Case is one line of the table: what was measured, of whom, and what was wanted.
type Case struct {
	Row    int      `json:"row"`
	What   string   `json:"what"`
	Unit   Unit     `json:"unit"`
	Limit  Figure   `json:"limit"`
	Ours   Figure   `json:"ours"`
	Peers  []Figure `json:"peers,omitempty"`
	Target Target   `json:"target"`
}

// A Target is what a case is to reach; each zero field asks nothing. The zero Target is a case that is shown and not judged.
type Target struct {
	Value float64            `json:"value,omitempty"` // at most, or for rates at least
	Ratio float64            `json:"ratio,omitempty"` // to the limit: at most, or for rates at least
	P99   float64            `json:"p99,omitempty"`   // µs, at most
	Peers map[string]float64 `json:"peers,omitempty"` // by name: the ratio to it, at most, or for rates at least
	Ahead bool               `json:"ahead,omitempty"` // of every peer
}

// Misses says in words what of the target the case does not meet. A peer that was not measured is not missed.
func (c *Case) Misses() (all []string) {
	sign, worse := "≤", func(got, want float64) bool { return want != 0 && got > want }
	if c.Unit.larger() {
		sign, worse = "≥", func(got, want float64) bool { return want != 0 && got < want }
	}
	miss := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	t := c.Target
	if worse(c.Ours.Median, t.Value) {
		miss("%s%s is not %s %s", number(c.Ours.Median), c.Unit, sign, number(t.Value))
	}
	if worse(c.Limit.Ratio, t.Ratio) {
		miss("%.2f × the limit is not %s %.2f", c.Limit.Ratio, sign, t.Ratio)
	}
	if t.P99 != 0 && c.Ours.P99 > t.P99 {
		miss("p99 %s µs is not ≤ %s", number(c.Ours.P99), number(t.P99))
	}
	for _, p := range c.Peers {
		if worse(p.Ratio, t.Peers[p.Name]) {
			miss("%.2f × %s is not %s %.2f", p.Ratio, p.Name, sign, t.Peers[p.Name])
		}
		if worse(p.Ratio, 1) && t.Ahead {
			miss("behind %s", p.Name)
		}
	}
	return all
}

// words is the target for people to read.
func (t Target) words(unit Unit) string {
	var words []string
	sign := "≤"
	if unit.larger() {
		sign = "≥"
	}
	if t.Ratio != 0 {
		words = append(words, fmt.Sprintf("%s %.3g × limit", sign, t.Ratio))
	}
	if t.Value != 0 {
		words = append(words, fmt.Sprintf("%s %s %s", sign, number(t.Value), unit))
	}
	if t.P99 != 0 {
		words = append(words, fmt.Sprintf("p99 ≤ %s µs", number(t.P99)))
	}
	for name, ratio := range t.Peers {
		words = append(words, fmt.Sprintf("%s %.3g × %s", sign, ratio, name))
	}
	if t.Ahead {
		words = append(words, "ahead of every peer")
	}
	return strings.Join(words, ", ")
}

// whole writes a number with its thousands set off.
func whole(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// number writes a figure with as many digits as mean something.
func number(f float64) string {
	switch {
	case f >= 1000:
		return whole(int(math.Round(f)))
	case f >= 100:
		return fmt.Sprintf("%.0f", f)
	case f >= 10:
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.2f", f)
}
