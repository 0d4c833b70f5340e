package daemon

import (
	"os"
	"os/signal"
	"syscall"
)

// heedSignals lets a helper end as it does when its client goes, with end, instead of on the spot: what it started would
// outlive it where there are no cgroups. That holds for who asks it to end, and for standard error, which is the client's
// to close: a write to it would be the helper's last (SIGPIPE, which the Go runtime lets through for descriptors 1 and 2).
// SIGHUP does not end it, as a helper that has given its terminal's client up has no use for that: it calls reopen, for the
// log that was renamed.
//
// Commands have the default of these signals again: a handler does not survive exec.
func heedSignals(end, reopen func()) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	asked := make(chan os.Signal, 4)
	signal.Notify(asked, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	go func() {
		for sig := range asked {
			if sig == syscall.SIGHUP {
				reopen()
			} else {
				end()
			}
		}
	}()
}
