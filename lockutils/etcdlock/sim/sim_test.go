package sim

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"
)

var (
	runs  = flag.Uint64("runs", 1, "seeds of TestThousandMachines")
	write = flag.Bool("write", false, "write its table into docs/scaling.md")
)

// thousand is a thousand machines that contend for one lock for an hour, on a network that loses, with pauses of up to
// many TTLs.
func thousand(seed uint64) Config {
	return Config{
		Seed: seed, Machines: 1000, Length: time.Hour,
		TTL: 10 * time.Second, Margin: time.Second, Delay: 2 * time.Millisecond, Loss: 0.01,
		Pause: 0.002, Pauses: 10 * time.Second, Hold: 200 * time.Millisecond, Drift: 0.01,
	}
}

// With the fence no act is out of order, though acts come late; without it, the same machines do it; and where nothing fails,
// nobody is refused and no lease ends. docs/scaling.md has what seed 0 gives.
func TestThousandMachines(t *testing.T) {
	for seed := range *runs {
		fenced := Run(thousand(seed))
		t.Logf("fenced:   %+v", fenced)
		if fenced.Disorder != 0 || fenced.Overlap != 0 {
			t.Errorf("seed %d: %d acts out of order, %d while another held", seed, fenced.Disorder, fenced.Overlap)
		}
		if fenced.Refused == 0 || fenced.Expired == 0 || fenced.Grants < 1000 {
			t.Errorf("seed %d: nothing was put to the test: %+v", seed, fenced)
		}
		c := thousand(seed)
		c.Unfenced = true
		unfenced := Run(c)
		t.Logf("unfenced: %+v", unfenced)
		if unfenced.Disorder == 0 {
			t.Errorf("seed %d: without a fence nothing went wrong, so that the fence shows nothing", seed)
		}
		c = thousand(seed)
		c.Loss, c.Pause, c.Drift = 0, 0, 0
		calm := Run(c)
		t.Logf("calm:     %+v", calm)
		if calm.Refused+calm.Expired+calm.Overlap+calm.Disorder != 0 || calm.Grants < 1000 {
			t.Errorf("seed %d: nothing fails: %+v", seed, calm)
		}
		if seed == 0 && runtime.GOARCH == "amd64" { // elsewhere floating point may be rounded otherwise
			checkPage(t, fenced, unfenced, calm)
		}
	}
}

// checkPage holds the table of docs/scaling.md against results, or writes it.
func checkPage(t *testing.T, fenced, unfenced, calm Result) {
	const page, head = "../../../docs/scaling.md", "| 1,000 machines, an hour |"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	begin := bytes.Index(text, []byte(head))
	end := begin + bytes.Index(text[max(begin, 0):], []byte("\n\n")) + 1
	if begin < 0 || end <= begin {
		t.Fatalf("%s has no table that begins with %q", page, head)
	}
	table := head + " grants | acts taken | late acts refused | leases ended under a holder | out of order |\n|---|---|---|---|---|---|\n"
	for _, row := range []struct {
		name string
		Result
	}{{"with a fence", fenced}, {"the same without", unfenced}, {"nothing fails", calm}} {
		table += "| " + row.name
		for _, n := range []int{row.Grants, row.Acts, row.Refused, row.Expired, row.Disorder} {
			table += " | " + thousands(n)
		}
		table += " |\n"
	}
	switch {
	case string(text[begin:end]) == table:
	case !*write:
		t.Errorf("%s does not have these numbers; run go test ./sim -run TestThousandMachines -write:\n%s", page, table)
	default:
		if err := os.WriteFile(page, slices.Concat(text[:begin], []byte(table), text[end:]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// thousands writes a number as people read it.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

// Lost comes in time as long as clocks run apart by less than the margin is of the TTL; when they do by more, it comes
// too late, and the simulation sees that.
func TestDriftBeyondMargin(t *testing.T) {
	c := thousand(1)
	c.Loss, c.Drift = 0.3, 0.4
	if r := Run(c); r.Overlap == 0 || r.Disorder != 0 {
		t.Errorf("%+v: want overlaps, and none out of order", r)
	}
}

func TestSameSeedSameResult(t *testing.T) {
	c := thousand(3)
	c.Machines, c.Length = 50, 5*time.Minute
	if a, b := Run(c), Run(c); a != b {
		t.Errorf("%+v and %+v", a, b)
	}
}
