package processutils

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/privhelper/privhelper/internal/mask"
)

// Status is how a command ended. The zero Status is exit code 0.
type Status struct {
	// Code is the exit code, 0 to 255; −1 where a signal ended the command, or it did not start, or nobody knows.
	Code int
	// Signal is the signal that ended it, or 0.
	Signal syscall.Signal
	// CoreDumped says that the signal left a core dump.
	CoreDumped bool
	// Sys is what the Runner knows beyond: a syscall.WaitStatus from Local, else nil.
	Sys any
}

// String words the status as os/exec does: "exit status 1", "signal: killed".
func (s Status) String() string {
	switch {
	case s.Signal == 0:
		return fmt.Sprintf("exit status %d", s.Code)
	case s.CoreDumped:
		return fmt.Sprintf("signal: %v (core dumped)", s.Signal)
	}
	return fmt.Sprintf("signal: %v", s.Signal)
}

// Usage is what a command and the children for which it waited have used. Zero where the Runner cannot know.
type Usage struct {
	User, System time.Duration
	MaxRSS       int64 // bytes
}

// Result is what is known of one attempt. Its outputs are what the command wrote, secrets included; however a Result is
// printed as a whole, they are masked.
type Result struct {
	Status
	Stdout, Stderr Output
	Attempt        int // 1 is the first
	Duration       time.Duration
	Usage          Usage
	// Survivors are processes of the command that are alive although Run has returned: ones that could not be ended, and
	// daemons that it left behind (Scope says which are found).
	Survivors []int

	mask mask.Masker
}

// ErrTruncated is what Output.Whole returns where the middle is missing.
var ErrTruncated = errors.New("the output is longer than its bound")

// Output is what a command wrote to one stream, up to Cmd.Bound: all of it in Head, or Head, a gap of Omitted bytes, and
// Tail.
type Output struct {
	Head    []byte
	Omitted int64
	Tail    []byte
}

// Bytes returns the output. Where the middle is missing a line stands in its place that says how much: call Whole to read
// what must be complete.
func (o Output) Bytes() []byte {
	if o.Omitted == 0 {
		return o.Head
	}
	return fmt.Appendf(append([]byte(nil), o.Head...), "\n[%d bytes left out]\n%s", o.Omitted, o.Tail)
}

// String is Bytes as a string.
func (o Output) String() string { return string(o.Bytes()) }

// Whole returns the output, or ErrTruncated where not all of it was kept.
func (o Output) Whole() ([]byte, error) {
	if o.Omitted != 0 {
		return nil, fmt.Errorf("%w: %d of %d bytes are missing", ErrTruncated, o.Omitted, o.Len())
	}
	return o.Head, nil
}

// Len is how many bytes the command wrote.
func (o Output) Len() int64 { return int64(len(o.Head)) + o.Omitted + int64(len(o.Tail)) }
