package processutils_test

import (
	"context"
	"math/rand/v2"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/privhelper/privhelper/processutils"
)

// BenchmarkTrue runs /bin/true by Local and by os/exec in turns, so that what else the machine does meets both alike, and
// reports the ratio of the medians; the promise is at most 1.05 of "x-plain". Local captures both outputs, plain os/exec
// none; "x-captured" is against one that captures too. The order of each round is drawn anew: what a run leaves to do when
// it has returned (threads that go to sleep, pages that are freed) is measured with the next one.
func BenchmarkTrue(b *testing.B) {
	ctx := context.Background()
	ways := []func(){
		func() { processutils.Local{}.Run(ctx, processutils.Command("/bin/true")) },
		func() { exec.CommandContext(ctx, "/bin/true").Run() },
		func() {
			c := exec.CommandContext(ctx, "/bin/true")
			var out, err discard
			c.Stdout, c.Stderr = &out, &err
			c.Run()
		},
	}
	took := make([][]time.Duration, len(ways))
	for b.Loop() {
		for _, i := range rand.Perm(len(ways)) {
			start := time.Now()
			ways[i]()
			took[i] = append(took[i], time.Since(start))
		}
	}
	median := func(i int) float64 {
		slices.Sort(took[i])
		return float64(took[i][len(took[i])/2])
	}
	b.ReportMetric(median(0)/1000, "µs/run")
	b.ReportMetric(median(0)/median(1), "x-plain")
	b.ReportMetric(median(0)/median(2), "x-captured")
}

type discard struct{ n int }

func (d *discard) Write(p []byte) (int, error) { d.n += len(p); return len(p), nil }
