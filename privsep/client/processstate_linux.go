package client

import "syscall"

// Sys returns the syscall.WaitStatus that the helper got.
func (s *ProcessState) Sys() any {
	status := syscall.WaitStatus(s.result.Code << 8)
	if s.result.Signal != 0 {
		status = syscall.WaitStatus(s.result.Signal)
	}
	if s.result.Core {
		status |= 0x80
	}
	return status
}

// SysUsage returns a *syscall.Rusage with what the command and the children it waited for have used: getrusage(2). The
// fields that Linux does not keep are 0.
func (s *ProcessState) SysUsage() any {
	u := s.result.Usage
	ru := &syscall.Rusage{Utime: syscall.NsecToTimeval(int64(u.User)), Stime: syscall.NsecToTimeval(int64(u.System))}
	set(&ru.Maxrss, u.MaxRSS)
	set(&ru.Minflt, u.Minflt)
	set(&ru.Majflt, u.Majflt)
	set(&ru.Inblock, u.Inblock)
	set(&ru.Oublock, u.Oublock)
	set(&ru.Nvcsw, u.Nvcsw)
	set(&ru.Nivcsw, u.Nivcsw)
	return ru
}

// set: the fields are as wide as the machine's words.
func set[T int32 | int64](field *T, value int64) { *field = T(value) }
