package processutils

import (
	"context"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"
)

// DefaultBound is how many bytes of each output stream are kept where a Cmd does not say: 16 MiB.
const DefaultBound = 16 << 20

// A Runner runs a command to its end: here, as root, on another machine, or not at all in a test.
//
// Run returns what is known of the run in any case. The error is nil where the command ended with an accepted exit code,
// else an *ExecError. Run leaves c as it is, may be called by many goroutines at once, and returns soon after ctx ends
// (Stop says when).
type Runner interface {
	Run(ctx context.Context, c Cmd) (Result, error)
}

// Cmd says what to run. It is data: it can be copied, kept and run many times, by any Runner. All but Args may stay zero.
//
// However a Cmd is printed (any verb of fmt, JSON, slog), its secrets are masked.
type Cmd struct {
	// Args is the command line, the program first. Nothing of it is read by a shell. A program without a slash is looked
	// up in the PATH that the command gets; relative folders in PATH are passed over.
	Args []string
	// Dir is the working directory; "" is the caller's.
	Dir string
	// Env is added to the caller's environment, NAME=value each; the last of a name counts. With OnlyEnv it is the whole
	// environment.
	Env     []string
	OnlyEnv bool

	// At most one of these three is the standard input; without any, it is empty. Input is fed to every attempt. InputFunc
	// is called once an attempt; what it returns is closed afterwards if it can be. It may still be read when Run
	// returns, if a Read of it hangs. Stdin is handed to the command itself and stays the caller's.
	Input     []byte
	InputFunc func() (io.Reader, error)
	Stdin     *os.File

	// Stdout and Stderr receive the output too, as it comes. An *os.File with a negative Bound is handed to the command
	// itself. Output goes on to be read when a Write fails; the error comes back at the end.
	Stdout, Stderr io.Writer
	// MergeStderr gives the command one stream for both, in order: Result.Stdout has all.
	MergeStderr bool
	// Bound is how many bytes of each stream are kept, half at the head and half at the tail; what was between is counted.
	// 0: DefaultBound; negative: nothing is kept.
	Bound int
	// DiscardWarnings empties Result.Stderr of a command that succeeded (oslo's trycmd with discard_warnings).
	DiscardWarnings bool

	// Accept are the exit codes of success, −N for an end by signal N. Nil: 0 alone; a list that is empty and not nil
	// accepts nothing, as oslo's. AcceptAny accepts every end that the command comes to by itself.
	Accept    []int
	AcceptAny bool

	// Timeout bounds one attempt, as the deadline of ctx bounds all of them. 0: none.
	Timeout time.Duration
	// Stop is how the command is ended when Timeout or ctx ends first.
	Stop Stop
	// Drain bounds the wait for the ends of the output streams once the command itself has ended: a daemon that it left
	// behind may hold them. When it is over Run returns, and the daemon lives (Result.Survivors). 0: as long as ctx and
	// Timeout allow.
	Drain time.Duration
	// KeepTerminal leaves the command in the caller's session, for one that asks a person at the terminal. Otherwise it
	// has a session of its own, without a terminal: a program that would ask for a password there fails at once.
	KeepTerminal bool
	// Limits are the resource limits of the command. The caller's own are never touched.
	Limits Limits

	// Secrets are masked wherever they show: logs, errors, whatever prints a Cmd or a Result. Names such as password= and
	// options such as mysql's -p are masked without them.
	Secrets []string
	// Logger receives a record when the command starts and one when it has ended. Nil: slog.Default().
	Logger *slog.Logger
	// LogLevel is the level of all these records. Nil: slog.LevelDebug.
	LogLevel slog.Leveler
	// LogErrors says whether failures are logged with their output.
	LogErrors LogErrors

	// OnStart is called once an attempt, when the command runs; OnEnd when it has ended, before its exit code is judged.
	// Both are called on Run's goroutine.
	OnStart func(Process)
	OnEnd   func(Result)
}

// Command returns the Cmd of a command line.
func Command(name string, args ...string) Cmd {
	return Cmd{Args: append([]string{name}, args...)}
}

// Shell returns the Cmd of a shell script. The arguments are "$1", "$2" and so on in it; the script itself must be a
// constant of the program and never hold a value: write Shell(`cat "$1" | wc -l`, path). It is the only way in which this
// package starts a shell.
func Shell(script string, args ...string) Cmd {
	return Cmd{Args: append([]string{"/bin/sh", "-c", script, "sh"}, args...)}
}

// accepts reports whether the status is success.
func (c *Cmd) accepts(s Status) bool {
	if c.AcceptAny {
		return true
	}
	code := s.Code
	if s.Signal != 0 {
		code = -int(s.Signal)
	}
	if c.Accept == nil {
		return code == 0
	}
	return slices.Contains(c.Accept, code)
}

// Process is a command that runs, for OnStart.
type Process struct {
	// PID is its process id where it runs, or 0 where that is not known.
	PID int
	// Signal sends a signal to the process alone; once it has ended the error is os.ErrProcessDone.
	Signal func(os.Signal) error
}

// LogErrors says which failures are logged with the command's output (oslo's LogErrors).
type LogErrors int

const (
	LogErrorsDefault LogErrors = iota // none
	LogErrorsAll                      // every attempt that failed
	LogErrorsFinal                    // the last attempt, if it failed
)
