package privseptest_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/daemon"
	"github.com/privhelper/privhelper/privsep/privseptest"
)

func TestCall(t *testing.T) {
	c := privseptest.Join(t, newWorld(daemon.Options{}).d, jobs)
	if sum, err := add.Call(t.Context(), c, [2]int{2, 3}); err != nil || sum != 5 {
		t.Errorf("2 + 3 = %d, %v", sum, err)
	}
	h := c.Helper()
	if h.Context != "jobs" || h.PID != os.Getpid() || len(h.Entrypoints) != 8 {
		t.Errorf("helper %+v", h)
	}
}

func TestErrorsCross(t *testing.T) {
	c := privseptest.Join(t, newWorld(daemon.Options{}).d, jobs)
	for _, test := range []struct {
		how  string
		is   error
		code privsep.Code
		text string
	}{
		{"errno", syscall.ENOSPC, privsep.CodeFailed, "open /x"},
		{"declared", errGone, "jobs.gone", "looked for it: it is gone"},
		{"ctx", context.DeadlineExceeded, privsep.CodeDeadline, ""},
		{"panic", privsep.CodePanicked, privsep.CodePanicked, "out of cheese"},
		{"goexit", privsep.CodePanicked, privsep.CodePanicked, "Goexit"},
		{"long", privsep.CodeFailed, privsep.CodeFailed, "ää"},
		{"code", privsep.CodeFailed, privsep.CodeFailed, "cannot travel"},
		{"plain words", privsep.CodeFailed, privsep.CodeFailed, "jobs.fail: plain words"},
	} {
		t.Run(test.how, func(t *testing.T) {
			_, err := fail.Call(t.Context(), c, test.how)
			var call *privsep.CallError
			if !errors.As(err, &call) || call.Code != test.code || call.Outcome != privsep.Answered {
				t.Fatalf("%.200v", err)
			}
			if !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("%.200v: is not %v", err, test.is)
			}
		})
	}
	if _, err := closed.Call(t.Context(), c, privsep.Void{}); !errors.Is(err, privsep.CodeFailed) {
		t.Errorf("a reply whose file is closed: %v", err)
	}
	if _, err := alien.Call(t.Context(), c, privsep.Void{}); !errors.Is(err, privsep.CodeNoEntrypoint) {
		t.Errorf("unknown entrypoint: %v", err)
	}
	if _, err := add.Call(t.Context(), c, [2]int{1, 1}); err != nil {
		t.Errorf("a call after them: %v", err)
	}
}
