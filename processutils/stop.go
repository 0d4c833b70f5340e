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
	// ScopeTree is the command's group, its session and every descendant of it. It needs no privilege. A daemon that left
	// all of these is known by a mark, a soft limit on file locks, which Linux looks at nowhere: it is ended with the
	// command, and reported in Result.Survivors where it lives on when the command has ended by itself. What a command
	// forked in its first moments, before it had its mark, and what has lost it (sudo and su set all limits anew) is
	// reported in both cases, from Linux 6.12 on and not under a seccomp filter (docs/processutils.md). So is what holds an
	// output stream without a mark: it need not be the command's, since a terminal multiplexer's server gets the streams
	// of its clients. Not found is what another service was asked to start (systemd-run, at): use ScopeCgroup there, or a
	// root helper.
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
