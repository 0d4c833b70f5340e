// Package lockcmd is `privhelper lock`: it runs a command under a named lock, or with a private folder of locks.
//
// It runs as whoever calls it and asks for no privilege.
//
//	privhelper lock [--shared] [--timeout D] [--fair] [--folder DIR] [--prefix P] [--oslo] NAME -- CMD [ARG...]
//	privhelper lock --wrapper -- CMD [ARG...]
package lockcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"github.com/privhelper/privhelper/lockutils"
)

// Usage is for whoever asks for help, or needs it.
const Usage = `usage:
  privhelper lock [--shared] [--timeout D] [--fair] [--folder DIR] [--prefix P] [--oslo] NAME -- CMD [ARG...]
                                     become CMD with the lock NAME held, until CMD and all that it started are gone
  privhelper lock --wrapper -- CMD [ARG...]
                                     run CMD with OSLO_LOCK_PATH naming a new folder, and remove that

  --shared      hold the lock together with others who share it
  --timeout D   give up after D (10s, 500ms, or a number of seconds; 0 tries once); else wait for ever
  --fair        in the order of arrival, among those who say so
  --folder DIR  where the lock files are; else OSLO_LOCK_PATH says it
  --prefix P    put before NAME
  --oslo        file names as oslo.concurrency makes them

Exit codes: 75 the lock was not free in time, 97 it cannot be had at all, 98 no such command line, 96 CMD cannot be run;
else CMD's own.
`

// The exit codes of our own: 75 is EX_TEMPFAIL of sysexits.h, the others are those of privhelper's other subcommands.
const (
	exitBusy          = 75
	exitNotExecutable = 96
	exitBadLock       = 97
	exitNoCommand     = 98
)

// Main runs the subcommand with the arguments after its name. Where all goes well it does not return: the process
// becomes the command, so that signals reach it, its exit code is kept, and the lock lives exactly as long as it and
// what it started. With --wrapper it waits for the command, and returns its exit code, or 128+N for signal N.
func Main(args []string, stderr io.Writer) int {
	if len(args) == 1 && (args[0] == "--help" || args[0] == "-h") {
		fmt.Fprint(stderr, Usage)
		return 0
	}
	o, err := parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "privhelper lock: %v\n%s", err, Usage)
		return exitNoCommand
	}
	path, err := exec.LookPath(o.command[0])
	if err != nil {
		fmt.Fprintf(stderr, "privhelper lock: %v\n", err)
		return exitNotExecutable
	}
	if o.wrapper {
		return wrap(path, o.command, stderr)
	}
	held, err := o.acquire()
	if err != nil {
		fmt.Fprintf(stderr, "privhelper lock: %v\n", err)
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, lockutils.ErrBusy) {
			return exitBusy
		}
		return exitBadLock
	}
	err = become(held, path, o.command) // returns on failure only
	fmt.Fprintf(stderr, "privhelper lock: %v\n", errors.Join(err, held.Unlock()))
	return exitNotExecutable
}

// acquire takes the lock that was asked for.
func (o options) acquire() (*lockutils.Held, error) {
	set := &lockutils.Set{Folder: o.folder, Prefix: o.prefix, Names: o.names, Fair: o.fair}
	ctx := context.Background()
	lock := set.Lock
	switch {
	case o.once && o.shared:
		lock = set.TryRLock
	case o.once:
		lock = set.TryLock
	case o.shared:
		lock = set.RLock
	}
	if o.timeout > 0 {
		bound, cancel := context.WithTimeout(ctx, o.timeout)
		defer cancel()
		ctx = bound
	}
	return lock(ctx, o.name)
}

// options are a command line.
type options struct {
	shared, fair, wrapper bool
	once                  bool // --timeout 0
	timeout               time.Duration
	folder, prefix        string
	names                 lockutils.Naming
	name                  string
	command               []string
}
