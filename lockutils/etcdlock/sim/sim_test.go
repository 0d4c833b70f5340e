package sim

import (
	"flag"
	"testing"
	"time"
)

var runs = flag.Uint64("runs", 1, "seeds for each simulation")

// thousand is a thousand machines that contend for one lock for an hour, on a network that loses, with pauses of up to
// many TTLs.
func thousand(seed uint64) Config {
	return Config{
		Seed: seed, Machines: 1000, Length: time.Hour,
		TTL: 10 * time.Second, Margin: time.Second, Delay: 2 * time.Millisecond, Loss: 0.01,
		Pause: 0.002, Pauses: 10 * time.Second, Hold: 200 * time.Millisecond, Drift: 0.01,
	}
}

// With the fence no act is out of order, though acts come late; without it, the same machines do it.
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
	}
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

// Nothing fails: nobody is refused, no lease ends.
func TestCalm(t *testing.T) {
	c := thousand(1)
	c.Loss, c.Pause, c.Drift = 0, 0, 0
	if r := Run(c); r.Refused+r.Expired+r.Overlap+r.Disorder != 0 || r.Grants < 1000 {
		t.Errorf("%+v", r)
	} else {
		t.Logf("%+v", r)
	}
}

func TestSameSeedSameResult(t *testing.T) {
	c := thousand(3)
	c.Machines, c.Length = 50, 5*time.Minute
	if a, b := Run(c), Run(c); a != b {
		t.Errorf("%+v and %+v", a, b)
	}
}
