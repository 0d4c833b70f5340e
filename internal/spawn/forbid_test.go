//go:build linux

package spawn

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
)

// forbid makes a system call fail in this process from now on, or only those with that first argument.
func forbid(with syscall.Errno, call uint32, first ...uint32) error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call, Jt: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	for _, f := range first {
		filter = append(filter, []unix.SockFilter{
			{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 16}, // its first argument
			{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: f, Jt: 1},
			{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		}...)
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: uint32(unix.SECCOMP_RET_ERRNO | int(with))})
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	return nil
}

// clone3Child is a helper where clone3 does not exist, as for a unit with RestrictNamespaces=.
func clone3Child([]string) error {
	if err := forbid(syscall.ENOSYS, unix.SYS_CLONE3); err != nil {
		return err
	}
	g, err := NewGroup(Options{})
	if err != nil {
		return err
	}
	fmt.Println(g.Method())
	return g.run("echo ran")
}

// A unit that forbids clone3 must not be one in which no command starts.
func TestWithoutClone3(t *testing.T) {
	testenv.NeedRoot(t)
	out := output(t, testenv.Child(t, "clone3"))
	if method, ran, _ := strings.Cut(out, "\n"); !strings.HasPrefix(method, "walk: clone3(2) is forbidden") || ran != "ran\n" {
		t.Errorf("%q", out)
	}
}
