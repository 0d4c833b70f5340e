package processutils

import (
	"syscall"
	"time"
)

// DefaultGrace is how long a command may take to end when asked to.
const DefaultGrace = 5 * time.Second

// Stop says how a command is ended before its time: Signal, then a wait of Grace, then SIGKILL. Run returns at the latest
// a second after the grace, and what could not be ended is in Result.Survivors.
type Stop struct {
	// Signal asks; 0 is SIGTERM.
	Signal syscall.Signal
	// Grace is the time between asking and SIGKILL. 0: DefaultGrace; negative: SIGKILL at once.
	Grace time.Duration
	// Scope is what both reach.
	Scope Scope
}

func (s Stop) signal() syscall.Signal {
	if s.Signal == 0 {
		return syscall.SIGTERM
	}
	return s.Signal
}

func (s Stop) grace() time.Duration {
	switch {
	case s.Grace == 0:
		return DefaultGrace
	case s.Grace < 0:
		return 0
	}
	return s.Grace
}

// Scope is how much of what a command started is ended with it. It matters to Local alone: a root helper ends every
// process of a command whatever the scope is, and SSH knows the session only.
type Scope int

const (
	// ScopeTree is the command's session and every descendant of it, also in sessions of their own, that can be found when
	// the end begins. It needs no privilege. What had left the session before and lost its parents (a daemon) is not
	// found; where it still holds an output stream, it is a survivor that Run reports and leaves alone: such a process
	// need not be the command's (a terminal multiplexer's server gets the streams of its clients).
	ScopeTree Scope = iota
	// ScopeProcess is the command's own process.
	ScopeProcess
	// ScopeGroup is the command's process group.
	ScopeGroup
	// ScopeCgroup is everything that the command ever started, daemons included: it runs in a cgroup2 folder of its own,
	// which costs 0.15 ms. Where no such folder can be made (it takes root, or a delegated folder and Linux 5.14), Run
	// fails with ErrNoCgroup before the command starts. A daemon that is alive when the command has ended by itself
	// lives on, and is in Result.Survivors.
	ScopeCgroup
)
