package processutilstest_test

import (
	"context"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/processutils"
	"github.com/privhelper/privhelper/processutils/processutilstest"
)

// kernel is the code under test: it takes the Runner that it is given.
func kernel(ctx context.Context, r processutils.Runner) (string, error) {
	res, err := r.Run(ctx, processutils.Command("uname", "-r"))
	return strings.TrimSpace(res.Stdout.String()), err
}

func ExampleFake() {
	_ = func(t *testing.T) {
		f := processutilstest.New(t)
		f.Expect(processutils.Command("uname", "-r"), processutilstest.Reply{Stdout: "6.18.0\n"})
		if got, err := kernel(t.Context(), f); got != "6.18.0" || err != nil {
			t.Error(got, err)
		}
	}
}
