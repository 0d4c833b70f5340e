package spawn

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// monitorSlack is how late a timer of this process may be, in nanoseconds.
const monitorSlack = 250_000

// CalmMonitor lets the timers of all threads of this process be late by a quarter of a millisecond. It is meant for one of
// them: the Go runtime's monitor sleeps for 20 µs at a time as long as anything runs, and to set a timer, be woken and find
// nothing to do takes a virtual machine more than 10 µs, which was a fifth of what a helper spends on a command. A goroutine
// that waits while all others sit in system calls waits so much longer, once. That thread cannot be told from the others, so
// all have it, and the threads that they make. Commands do not: see job.fork.
//
// Where it is not to be had (a program with cgo) all is as it was.
func CalmMonitor() {
	_, _, _ = syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_SET_TIMERSLACK, monitorSlack, 0)
}
