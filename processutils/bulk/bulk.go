// Package bulk runs many commands, some at a time, and shows how far it has come: a bar on a terminal, lines elsewhere. It
// runs where processutils does.
//
//	outcomes, err := bulk.Pool{Progress: os.Stderr}.Run(ctx, commands)
package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/privhelper/privhelper/processutils"
)

// ErrNotRun is the Outcome of a command that was not run because an earlier one failed.
var ErrNotRun = errors.New("not run, after the failure of another")

// Pool says how many commands are run. The zero value runs them here, WorkerCount at a time, all of them, and shows
// nothing.
type Pool struct {
	// Runner runs each; nil: processutils.Local. A processutils.Retry is the way to try them again.
	Runner processutils.Runner
	// Workers is how many run at once; below 1: processutils.WorkerCount.
	Workers int
	// StopOnFailure starts no more commands after one that failed; those that run are left to end.
	StopOnFailure bool
	// Progress receives a bar where it is a terminal, else a line at each tenth and for each failure. Nil: none. Title
	// stands before both.
	Progress io.Writer
	Title    string
}

// Outcome is what became of one command.
type Outcome struct {
	Result processutils.Result
	Err    error // nil for success; else what the Runner returned, or ErrNotRun
}

// Error says how many commands failed. errors.Is and errors.As look at all of their errors.
type Error struct {
	Commands int
	Failures []error // in the commands' order; those that were not run are not among them
	NotRun   int
}

func (e *Error) Error() string {
	text := fmt.Sprintf("%d of %d commands failed", len(e.Failures), e.Commands)
	if e.NotRun > 0 {
		text += fmt.Sprintf(" and %d were not run", e.NotRun)
	}
	return text + "; the first: " + e.Failures[0].Error()
}

func (e *Error) Unwrap() []error { return e.Failures }

// Run runs the commands and waits for all. The outcomes have the commands' order; the error is nil or an *Error. When ctx
// ends those that run are ended, and the rest fail with its error.
func (p Pool) Run(ctx context.Context, commands []processutils.Cmd) ([]Outcome, error) {
	if p.Runner == nil {
		p.Runner = processutils.Local{}
	}
	if p.Workers < 1 {
		p.Workers = processutils.WorkerCount()
	}
	show := newProgress(p.Progress, p.Title, len(commands))
	outcomes := make([]Outcome, len(commands))
	next := make(chan int)
	failed := make(chan struct{}) // closed by the first failure, where that stops the rest
	var once sync.Once
	var workers sync.WaitGroup
	for range min(p.Workers, len(commands)) {
		workers.Go(func() {
			for i := range next {
				o := &outcomes[i]
				o.Result, o.Err = p.Runner.Run(ctx, commands[i])
				show.done(commands[i], o.Err)
				if o.Err != nil && p.StopOnFailure {
					once.Do(func() { close(failed) })
				}
			}
		})
	}
	for i := range commands {
		select {
		case <-failed: // looked at first: select chooses by chance among what is ready
			outcomes[i].Err = ErrNotRun
			continue
		default:
		}
		select {
		case next <- i:
		case <-failed:
			outcomes[i].Err = ErrNotRun
		}
	}
	close(next)
	workers.Wait()
	show.end()
	return outcomes, summary(outcomes)
}

func summary(outcomes []Outcome) error {
	e := &Error{Commands: len(outcomes)}
	for _, o := range outcomes {
		switch {
		case o.Err == ErrNotRun:
			e.NotRun++
		case o.Err != nil:
			e.Failures = append(e.Failures, o.Err)
		}
	}
	if len(e.Failures) == 0 {
		return nil
	}
	return e
}
