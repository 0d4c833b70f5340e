package processutils

import (
	"fmt"
	"strconv"
)

// Unlimited is a Limit's value for none.
const Unlimited = ^uint64(0)

// Limit is one resource limit: Soft holds, and the command may raise it up to Hard (getrlimit(2)).
type Limit struct{ Soft, Hard uint64 }

// Max returns the Limit whose both values are n, as oslo's ProcessLimits sets them.
func Max(n uint64) *Limit { return &Limit{n, n} }

func (l Limit) String() string { return limitText(l.Soft) + ":" + limitText(l.Hard) }

func limitText(n uint64) string {
	if n == Unlimited {
		return "unlimited"
	}
	return strconv.FormatUint(n, 10)
}

// Limits are the resource limits of a command, oslo's ProcessLimits; a nil one stays the caller's. They are set in the
// command's process before its first instruction, and never in the caller's.
//
// Go has no step between fork and exec, so Local lets the kernel stop the command at its exec (ptrace(2)), sets the limits
// from outside (prlimit(2)) and lets it go: 30 µs. A traced program gets no privileges from its file, so one that is
// setuid, setgid or has file capabilities (sudo is) is started by util-linux's prlimit(1) instead, and so are all where
// ptrace is forbidden: 0.8 ms. Where that is not installed either, Run fails with ErrNoLimits. docs/processutils.md has
// the measurements and the roads not taken.
type Limits struct {
	AddressSpace    *Limit // bytes
	CoreFileSize    *Limit // bytes
	CPUTime         *Limit // seconds
	DataSize        *Limit // bytes
	FileSize        *Limit // bytes
	MemoryLocked    *Limit // bytes
	NumberFiles     *Limit
	NumberProcesses *Limit // of the command's user, on the whole machine; not counted for root
	ResidentSetSize *Limit // bytes; Linux keeps it and heeds it not
	StackSize       *Limit // bytes
}

// namedLimit is a limit with its name here, its option of prlimit(1), and its place in limitResources.
type namedLimit struct {
	name, option string
	limit        *Limit
}

func (l *Limits) list() [10]namedLimit {
	return [10]namedLimit{
		{"address_space", "as", l.AddressSpace}, {"core_file_size", "core", l.CoreFileSize}, {"cpu_time", "cpu", l.CPUTime},
		{"data_size", "data", l.DataSize}, {"file_size", "fsize", l.FileSize}, {"memory_locked", "memlock", l.MemoryLocked},
		{"number_files", "nofile", l.NumberFiles}, {"number_processes", "nproc", l.NumberProcesses},
		{"resident_set_size", "rss", l.ResidentSetSize}, {"stack_size", "stack", l.StackSize},
	}
}

func (l *Limits) none() bool { return *l == Limits{} }

// LimitError says that a limit could not be set; the command did not run. Err is EPERM where the hard limit is above the
// caller's own, EINVAL where the soft one is above the hard one.
type LimitError struct {
	Name  string // as in oslo: address_space
	Limit Limit
	Err   error
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("set limit %s to %v: %v", e.Name, e.Limit, e.Err)
}

func (e *LimitError) Unwrap() error { return e.Err }
