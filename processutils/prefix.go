package processutils

import (
	"context"
	"os"
)

// Prefix is a Runner that puts a command before each command line, if this process is not root already: any
// `--root-helper` of OpenStack's services, such as "sudo -n" or "privhelper run --".
//
// What the command sees of Env and Dir is then the helper's to decide (sudo drops most variables). sudo hands SIGTERM on;
// what heeds it not an ordinary user cannot kill, because it is root's: Run returns in time all the same and reports it as
// a survivor. processutils/privrunner has neither limit.
type Prefix struct {
	// Helper is split into words as a shell would (SplitWords), with nothing expanded. Where it is needed and empty, Run
	// fails with ErrNoRootHelper.
	Helper string
	// Runner runs the longer command; nil: Local.
	Runner Runner
}

// Run runs the command: Runner.
func (p Prefix) Run(ctx context.Context, c Cmd) (Result, error) {
	runner := p.Runner
	if runner == nil {
		runner = Local{}
	}
	if os.Geteuid() == 0 || len(c.Args) == 0 { // no program: that is refused there, and not the helper alone run
		return runner.Run(ctx, c)
	}
	words, err := SplitWords(p.Helper)
	if err == nil && len(words) == 0 {
		err = ErrNoRootHelper
	}
	if err != nil {
		a, begin := c.Begin(ctx)
		if begin != nil {
			return notBegun(), begin
		}
		return a.End(Status{Code: -1}, StageStart, err)
	}
	c.Args = append(words, c.Args...)
	return runner.Run(ctx, c)
}
