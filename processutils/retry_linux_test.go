package processutils_test

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/privhelper/privhelper/processutils"
)

const none = -1 // no delay

// Each attempt gets the whole input, and the number of the last is in the result.
func TestRetry(t *testing.T) {
	marks := filepath.Join(t.TempDir(), "marks")
	c := processutils.Shell(`cat; echo x >>"$1"; test $(wc -l <"$1") -ge 3`, marks)
	c.InputFunc = func() (io.Reader, error) { return strings.NewReader("whole input"), nil }
	started := 0
	c.OnStart = func(processutils.Process) { started++ }
	res, err := processutils.Retry{Attempts: 5, MaxDelay: none}.Run(t.Context(), c)
	if err != nil || res.Attempt != 3 || started != 3 || res.Stdout.String() != "whole input" {
		t.Errorf("%v, %v: attempt %d, started %d", res, err, res.Attempt, started)
	}
	os.Remove(marks)
	failed := failure(t, processutils.Retry{Attempts: 2, MaxDelay: none}, t.Context(), c)
	if failed.Attempt != 2 || failed.ExitCode() != 1 || !strings.Contains(failed.Error(), "(attempt 2)") {
		t.Error(failed)
	}
}

func TestWhatIsRetried(t *testing.T) {
	busy := filepath.Join(t.TempDir(), "busy")
	f, err := os.OpenFile(busy, os.O_RDWR|os.O_CREATE, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	slow := processutils.Command("sleep", "100070")
	slow.Timeout = 20 * time.Millisecond
	limited := processutils.Command("true")
	limited.Limits.NumberFiles = &processutils.Limit{Soft: 2, Hard: 1}
	for _, c := range []struct {
		cmd     processutils.Cmd
		is      error
		attempt int
	}{
		{processutils.Command("false"), nil, 3},
		{processutils.Command(busy), syscall.ETXTBSY, 3},
		{processutils.Command("no-such-program"), exec.ErrNotFound, 1},
		{processutils.Command("/etc/passwd"), syscall.EACCES, 1},
		{slow, context.DeadlineExceeded, 1},
		{limited, syscall.EINVAL, 1},
		{processutils.Cmd{}, syscall.EINVAL, 1},
	} {
		got := failure(t, processutils.Retry{Attempts: 3, MaxDelay: none}, t.Context(), c.cmd)
		if got.Attempt != c.attempt || c.is != nil && !errors.Is(got, c.is) {
			t.Errorf("%v: attempt %d, want %d of %v", got, got.Attempt, c.attempt, c.is)
		}
	}
	all := func(*processutils.ExecError) bool { return true }
	if got := failure(t, processutils.Retry{Attempts: 2, MaxDelay: none, If: all}, t.Context(), processutils.Command("no-such-program")); got.Attempt != 2 {
		t.Error(got)
	}
	if got := failure(t, processutils.Retry{}, t.Context(), processutils.Command("false")); got.Attempt != 1 {
		t.Error(got)
	}
}

// The context ends a delay, and the last failure stays to be seen.
func TestContextEndsDelay(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := processutils.Command("false")
	c.OnEnd = func(processutils.Result) { cancel() }
	began := time.Now()
	r := processutils.Retry{Attempts: 2, MinDelay: time.Hour, MaxDelay: 2 * time.Hour, If: func(*processutils.ExecError) bool { return true }}
	got := failure(t, r, ctx, c)
	var exit *exec.ExitError
	if !errors.Is(got, context.Canceled) || !errors.As(got, &exit) || time.Since(began) > time.Minute {
		t.Error(got)
	}

	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	got = failure(t, processutils.Retry{Attempts: 2, MinDelay: time.Hour}, ctx, processutils.Command("false"))
	if !errors.Is(got, context.DeadlineExceeded) || !errors.As(got, &exit) || got.Stage != processutils.StageDeadline {
		t.Error(got)
	}
}
