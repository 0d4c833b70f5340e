package processutils

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"syscall"
	"time"
)

// The delay between two attempts where a Retry names none: oslo's.
const (
	DefaultMinDelay = 200 * time.Millisecond
	DefaultMaxDelay = 2 * time.Second
)

// Retry is a Runner that runs a command again when it failed. The result, and the error, are the last attempt's, whose
// number they carry. Cmd.InputFunc, OnStart and OnEnd are called for every attempt. It is safe for concurrent use.
type Retry struct {
	// Runner runs each attempt; nil: Local.
	Runner Runner
	// Attempts is how often the command is run at most; below 1: once.
	Attempts int
	// Between two attempts a time between MinDelay and MaxDelay goes by, chosen anew each time so that many callers do
	// not come back at once. Both 0: 0.2 to 2 s; a negative MaxDelay: none.
	MinDelay, MaxDelay time.Duration
	// If says which failures are worth another attempt; nil: Retryable.
	If func(*ExecError) bool
}

// Retryable reports whether another attempt can help: the command ran and ended in a way that is not accepted, its program
// was being written (ETXTBSY), or the machine was out of processes, memory or descriptors. What Timeout ended, a missing
// program, a limit that cannot be set, a refusal by policy and what may have run (StageLost) are not retried.
func Retryable(e *ExecError) bool {
	switch e.Stage {
	case StageWait:
		return true
	case StageExec, StageStart:
		for _, errno := range []error{syscall.ETXTBSY, syscall.EAGAIN, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE} {
			if errors.Is(e.Err, errno) {
				return true
			}
		}
	}
	return false
}

// Run runs the command until it succeeds, its attempts are used up, another would not help, or ctx ends, also during a
// delay: then the error has StageDeadline and wraps both the end of ctx and the last failure.
func (r Retry) Run(ctx context.Context, c Cmd) (Result, error) {
	runner, again := r.Runner, r.If
	if runner == nil {
		runner = Local{}
	}
	if again == nil {
		again = Retryable
	}
	one := c
	one.LogErrors = LogErrorsDefault // which attempt is the last is known here
	for n := 1; ; n++ {
		res, err := runner.Run(ctx, one)
		res.Attempt = n
		var failure *ExecError
		if !errors.As(err, &failure) {
			return res, err
		}
		failure.Attempt = n
		last := n >= r.Attempts || !again(failure)
		if !last {
			if err := r.wait(ctx); err != nil {
				failure.Stage, failure.Err = StageDeadline, fmt.Errorf("%w, before another attempt; the last: %w", err, failure.Err)
				last = true
			}
		}
		if c.LogErrors == LogErrorsAll || last {
			c.logFailure(ctx, failure)
		}
		if last {
			return res, failure
		}
		c.log(ctx, "command is run again", slog.Int("attempt", n+1), slog.Int("of", r.Attempts))
	}
}

// wait lets the delay go by, or returns why ctx has ended.
func (r Retry) wait(ctx context.Context) error {
	timer := time.NewTimer(r.delay())
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return ended(ctx)
	}
	return nil
}

func (r Retry) delay() time.Duration {
	low, high := r.MinDelay, r.MaxDelay
	if low == 0 && high == 0 {
		low, high = DefaultMinDelay, DefaultMaxDelay
	}
	switch {
	case high < 0:
		return 0
	case high <= low:
		return low
	}
	return low + rand.N(high-low+1)
}
