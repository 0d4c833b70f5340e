package daemon

import (
	"os"
	"os/signal"
	"syscall"
)

// heedSignals lets a helper end as it does when its client goes, with end, instead of on the spot: what it started would
// outlive it where there are no cgroups. That holds for who asks it to end, and for standard error, which is the client's
// to close: a write to it would be the helper's last (SIGPIPE, which the Go runtime lets through for descriptors 1 and 2).
//
// Commands have the default of these signals again: a handler does not survive exec.
func heedSignals(end func()) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	go func() {
		<-asked
		end()
	}()
}
