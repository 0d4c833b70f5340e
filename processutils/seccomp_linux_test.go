package processutils_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/processutils"
)

// systemd's SystemCallFilter=~@resources kills whoever calls sched_setattr: Run does not, where there is a filter.
func TestFilterOfSystemCalls(t *testing.T) {
	child := testenv.Child(t, "filtered")
	testenv.AsUser(t, child)
	if got := string(testenv.Output(t, child)); got != "up\n" {
		t.Errorf("%q", got)
	}
}

// filtered forbids itself sched_setattr by death, in all threads, and runs a command.
func filtered([]string) error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_SCHED_SETATTR, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_KILL_PROCESS},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program))); errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	res, err := local.Run(context.Background(), processutils.Command("echo", "up"))
	fmt.Print(res.Stdout)
	return err
}
