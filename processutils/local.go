package processutils

import "context"

// Local starts commands on this machine, as the caller's user. The zero value is ready; it is safe for concurrent use.
//
// The command inherits nothing but what its Cmd names and the caller's user, umask and resource limits: no descriptor from
// 3 up (Go has no step between fork and exec, so all of the caller's are marked close-on-exec first, again by every Run:
// who hands descriptors to its own syscall.Exec unmarks them right before), no ignored signal (what the caller was started
// to ignore it catches and drops from then on) and no blocked one.
//
// Without KeepTerminal the command does not get the terminal's Ctrl-C: a program that has one calls signal.NotifyContext
// and hands Run that context.
//
// It runs on Linux 5.4 and later; elsewhere every Run fails with errors.ErrUnsupported.
type Local struct{}

// Run runs the command: Runner.
func (Local) Run(ctx context.Context, c Cmd) (Result, error) {
	a, err := c.Begin(ctx)
	if err != nil {
		return notBegun(), err
	}
	return runLocal(a)
}
