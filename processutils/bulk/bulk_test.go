package bulk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/privhelper/privhelper/processutils"
	"github.com/privhelper/privhelper/processutils/bulk"
)

func commands(n int) (list []processutils.Cmd) {
	for i := range n {
		list = append(list, processutils.Command("command", fmt.Sprint(i)))
	}
	return list
}

// counting is a Runner that fails where told, and knows how many ran at once.
type counting struct {
	fails        func(i int) bool
	ran, running atomic.Int32
	most         atomic.Int32
}

func (r *counting) Run(ctx context.Context, c processutils.Cmd) (processutils.Result, error) {
	a, err := c.Begin(ctx)
	if err != nil {
		return processutils.Result{}, err
	}
	r.ran.Add(1)
	for n := r.running.Add(1); ; {
		most := r.most.Load()
		if n <= most || r.most.CompareAndSwap(most, n) {
			break
		}
	}
	defer r.running.Add(-1)
	var i, code int
	fmt.Sscan(c.Args[1], &i)
	if r.fails != nil && r.fails(i) {
		code = 1
	}
	fmt.Fprint(a.Stdout, i)
	return a.End(processutils.Status{Code: code}, processutils.StageWait, nil)
}

func TestPool(t *testing.T) {
	var lines bytes.Buffer
	r := &counting{fails: func(i int) bool { return i == 7 || i == 13 }}
	outcomes, err := bulk.Pool{Runner: r, Workers: 4, Progress: &lines, Title: "work"}.Run(t.Context(), commands(50))
	var failed *bulk.Error
	var first *processutils.ExecError
	if !errors.As(err, &failed) || len(failed.Failures) != 2 || !errors.As(err, &first) || !strings.HasPrefix(err.Error(), "2 of 50 commands failed; the first: run command 7: exit status 1") {
		t.Error(err)
	}
	for i, o := range outcomes {
		if o.Result.Stdout.String() != fmt.Sprint(i) || (o.Err != nil) != (i == 7 || i == 13) {
			t.Errorf("%d: %v, %v", i, o.Result, o.Err)
		}
	}
	if r.ran.Load() != 50 || r.most.Load() > 4 {
		t.Errorf("%d ran, %d at once", r.ran.Load(), r.most.Load())
	}
	if got := lines.String(); strings.Count(got, " done, ") != 10 || !strings.HasSuffix(got, "work: 50 of 50 done, 2 failed\n") || strings.Count(got, "work: run command") != 2 {
		t.Errorf("shown:\n%s", got)
	}
	if outcomes, err := (bulk.Pool{}).Run(t.Context(), nil); len(outcomes) != 0 || err != nil {
		t.Error(outcomes, err)
	}
}

func TestStopOnFailure(t *testing.T) {
	r := &counting{fails: func(i int) bool { return i == 3 }}
	outcomes, err := bulk.Pool{Runner: r, Workers: 1, StopOnFailure: true}.Run(t.Context(), commands(50))
	var failed *bulk.Error
	if !errors.As(err, &failed) || len(failed.Failures) != 1 || failed.NotRun < 45 || int(r.ran.Load())+failed.NotRun != 50 {
		t.Errorf("%v: %d ran", err, r.ran.Load())
	}
	if !errors.Is(outcomes[49].Err, bulk.ErrNotRun) {
		t.Error(outcomes[49])
	}
}

func TestContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := &counting{fails: func(i int) bool {
		if i == 5 {
			cancel()
		}
		return false
	}}
	_, err := bulk.Pool{Runner: r, Workers: 2}.Run(ctx, commands(50))
	if !errors.Is(err, context.Canceled) || r.ran.Load() > 10 {
		t.Errorf("%v: %d ran", err, r.ran.Load())
	}
}
