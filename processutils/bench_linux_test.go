package processutils_test

import (
	"context"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/privhelper/privhelper/processutils"
)

// BenchmarkTrue runs /bin/true by Local and by os/exec in turns, so that what else the machine does meets both alike, and
// reports the ratio of the medians; the promise is 1.05. Local captures both outputs, which is compared with an os/exec
// that does nothing of the kind ("x-plain") and with one that captures too ("x-captured").
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
		for i, run := range ways {
			start := time.Now()
			run()
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
