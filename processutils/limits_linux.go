package processutils

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// limitResources are the kernel's numbers for Limits.list.
var limitResources = [10]int{
	unix.RLIMIT_AS, unix.RLIMIT_CORE, unix.RLIMIT_CPU, unix.RLIMIT_DATA, unix.RLIMIT_FSIZE, unix.RLIMIT_MEMLOCK,
	unix.RLIMIT_NOFILE, unix.RLIMIT_NPROC, unix.RLIMIT_RSS, unix.RLIMIT_STACK,
}

// errNoTrace says that this machine does not let us trace the command.
var errNoTrace = errors.New("the command cannot be traced")

// startTraced starts the program so that the kernel stops it at its exec, sets its limits and lets it go. The calling
// goroutine is locked to its thread, which is the tracer.
func startTraced(path string, argv []string, attr *syscall.ProcAttr, limits *Limits) (*process, error) {
	sys := *attr.Sys
	sys.Ptrace = true
	traced := *attr
	traced.Sys = &sys
	p, err := startProcess(path, argv, &traced)
	switch {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.ENOSYS), errors.Is(err, syscall.EIO):
		return nil, fmt.Errorf("%w: %w", errNoTrace, err) // seccomp, Yama, SELinux, or strace -f around us
	case err != nil:
		return nil, err
	}
	if err := waitForExec(p.pid); err != nil {
		p.whole.Release() // it is reaped
		p.pidfd.close()
		return nil, err
	}
	if err := setLimits(p.pid, limits); err != nil {
		p.discard()
		return nil, err
	}
	if err := unix.PtraceDetach(p.pid); err != nil && err != unix.ESRCH {
		p.discard()
		return nil, fmt.Errorf("let the command go after its limits: %w", err)
	}
	return p, nil
}

// waitForExec waits for the stop that comes before the program's first instruction. A filter of system calls may kill the
// child at its request to be traced instead.
func waitForExec(pid int) error {
	for {
		var ws unix.WaitStatus
		_, err := unix.Wait4(pid, &ws, 0, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return fmt.Errorf("wait for the command's exec: %w", err)
		case ws.Exited() || ws.Signaled():
			return errNoTrace
		case ws.StopSignal() == unix.SIGTRAP:
			return nil
		default: // a signal came first: it is delivered
			if err := unix.PtraceCont(pid, int(ws.StopSignal())); err != nil {
				return fmt.Errorf("deliver a signal before the command's exec: %w", err)
			}
		}
	}
}

func setLimits(pid int, limits *Limits) error {
	for i, l := range limits.list() {
		if l.limit == nil {
			continue
		}
		if err := unix.Prlimit(pid, limitResources[i], &unix.Rlimit{Cur: l.limit.Soft, Max: l.limit.Hard}, nil); err != nil {
			return &LimitError{l.name, *l.limit, err}
		}
	}
	return nil
}

// gainsPrivileges reports whether the file gives whoever executes it more than it has: the kernel would withhold that from
// a traced process.
func gainsPrivileges(dir, path string) bool {
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return false // the exec will tell
	}
	_, noCaps := unix.Getxattr(path, "security.capability", nil)
	return info.Mode()&(os.ModeSetuid|os.ModeSetgid) != 0 || noCaps == nil
}

// toolPath is where prlimit(1) may be, whatever PATH the command gets.
const toolPath = "PATH=/usr/bin:/bin:/usr/sbin:/sbin"

// startByTool has prlimit(1) set the limits on itself and execute the program. What it could not set is found out before:
// its own failure is an exit code that the program may have too.
func startByTool(path string, argv []string, attr *syscall.ProcAttr, limits *Limits) (*process, error) {
	for i, l := range limits.list() {
		if l.limit != nil {
			if err := settable(limitResources[i], *l.limit); err != nil {
				return nil, &LimitError{l.name, *l.limit, err}
			}
		}
	}
	lookUp := Cmd{Args: []string{"prlimit"}}
	tool, err := lookUp.program([]string{toolPath})
	if err != nil {
		return nil, ErrNoLimits
	}
	at := path
	if !filepath.IsAbs(at) {
		at = filepath.Join(attr.Dir, at)
	}
	if err := unix.Access(at, unix.X_OK); err != nil {
		return nil, &os.PathError{Op: "exec", Path: path, Err: err}
	}
	args := []string{tool}
	for _, l := range limits.list() {
		if l.limit != nil {
			args = append(args, "--"+l.option+"="+l.limit.String())
		}
	}
	args = append(append(args, "--", path), argv[1:]...)
	return startProcess(tool, args, attr)
}

// settable says what setrlimit(2) would say of a limit: EINVAL or EPERM.
func settable(resource int, l Limit) error {
	var own unix.Rlimit
	if err := unix.Getrlimit(resource, &own); err != nil {
		return err
	}
	if l.Soft > l.Hard {
		return unix.EINVAL
	}
	if l.Hard > own.Max && !mayRaiseLimits() {
		return unix.EPERM
	}
	if resource == unix.RLIMIT_NOFILE {
		text, err := os.ReadFile("/proc/sys/fs/nr_open")
		if most, parseErr := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64); err == nil && parseErr == nil && l.Hard > most {
			return unix.EPERM
		}
	}
	return nil
}

// mayRaiseLimits reports whether this process holds CAP_SYS_RESOURCE.
func mayRaiseLimits() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) != nil {
		return false
	}
	return data[0].Effective&(1<<unix.CAP_SYS_RESOURCE) != 0
}
