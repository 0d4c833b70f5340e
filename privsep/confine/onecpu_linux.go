package confine

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// onOneCPU makes all threads share the processor that this one runs on, until back is called. Each change of all threads
// wakes every one of them, and one that sleeps on another processor takes ten times as long to wake
// (docs/benchmarks.md, row 7).
//
// It does nothing where there is one processor alone, where the threads may run on different ones already, or where the
// program has cgo: the Go runtime does not know all threads then, and one that stayed behind would keep every command that
// it starts on that processor.
func onOneCPU(all []Status) (back func() error) {
	stay := func() error { return nil }
	var before unix.CPUSet
	for i, s := range all {
		var of unix.CPUSet
		if err := unix.SchedGetaffinity(s.TID, &of); err != nil || i > 0 && of != before {
			return stay
		}
		before = of
	}
	var cpu uint32
	if _, _, errno := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), 0, 0); errno != 0 || before.Count() < 2 {
		return stay
	}
	var one unix.CPUSet
	one.Set(int(cpu))
	if setAffinity(one) != nil {
		return stay
	}
	return func() error {
		if err := letGo(before); err != nil {
			return fmt.Errorf("let all threads run on other processors again: %w", err)
		}
		return nil
	}
}

// letGo takes no wish at all for a wish of the same processors, if it comes to the same: what is wished for is inherited, and
// would keep this process and its commands from a processor that the machine, or a cpuset, is given later.
func letGo(before unix.CPUSet) error {
	var any, now unix.CPUSet
	for cpu := range 8 * int(unsafe.Sizeof(any)) {
		any.Set(cpu)
	}
	if err := setAffinity(any); err != nil {
		return err
	}
	if err := unix.SchedGetaffinity(0, &now); err != nil {
		return os.NewSyscallError("sched_getaffinity", err)
	}
	if now == before {
		return nil
	}
	return setAffinity(before)
}

// setAffinity is sched_setaffinity(2) of every thread; what the runtime starts afterwards inherits it.
func setAffinity(set unix.CPUSet) error {
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(set), uintptr(unsafe.Pointer(&set)))
	if errno != 0 {
		return os.NewSyscallError("sched_setaffinity", errno)
	}
	return nil
}
