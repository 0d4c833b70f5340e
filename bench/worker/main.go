// Command worker does what is measured of privhelper and of bare Go, one kind of it a process, turn by turn (package turn).
//
//	worker KIND [ARGUMENT...]
package main

import (
	"fmt"
	"os"

	"github.com/privhelper/privhelper/bench/internal/turn"
)

// kinds prepare what is measured. What they start ends with the process.
var kinds = map[string]func(args []string) (turn.Op, error){
	"call":            call,
	"command":         command,
	"captured":        captured,
	"exec":            execute,
	"decide":          decide,
	"map":             lookUp,
	"load":            load,
	"lines":           lines,
	"lock":            lock,
	"gofrs":           gofrs,
	"key":             key,
	"mutex":           mutex,
	"handover":        handOver,
	"run":             run,
	"start":           startHelper,
	"start-bare":      startBare,
	"start-bare-idle": callBare,
	"output":          output,
	"pipe":            pipe,
	"clients":         clients,
	"held":            held,
}

func main() {
	if err := work(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func work(args []string) error {
	if len(args) == 3 && args[0] == "wait" {
		return waitForLock(args[1:])
	}
	if len(args) == 0 || kinds[args[0]] == nil {
		return fmt.Errorf("worker: no such kind: %q", args)
	}
	op, err := kinds[args[0]](args[1:])
	if err != nil {
		return err
	}
	return turn.Serve(os.Stdin, os.Stdout, op)
}
