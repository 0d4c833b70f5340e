//go:build linux

package spawn

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
)

// dumpableChild starts commands as another user, one that exists and one that does not, and says what it is afterwards.
func dumpableChild(args []string) error {
	if args[0] == "refused" {
		if err := refuseDumpable(); err != nil {
			return err
		}
	}
	g, err := NewGroup(Options{NoCgroup: true})
	if err != nil {
		return err
	}
	f, err := NewForker(nil)
	if err != nil {
		return err
	}
	refused := args[0] == "refused"
	for _, path := range []string{"/bin/true", "/no/such/program"} {
		for _, cr := range []*syscall.Credential{nil, {Uid: testenv.Nobody, Gid: testenv.Nobody}} {
			_ = unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
			_, err := g.Start(context.Background(), f, Command{Path: path, Argv: []string{"x"}, Setsid: true, Credential: cr})
			if refused {
				fmt.Println(path, cr != nil, errors.Is(err, syscall.ENOTRECOVERABLE))
			} else if n, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err == nil {
				fmt.Println(path, cr != nil, n)
			}
		}
	}
	return g.Close()
}

// refuseDumpable makes prctl(PR_SET_DUMPABLE) fail in this process from now on: that it is called cannot be seen otherwise
// where fs.suid_dumpable is 0.
func refuseDumpable() error {
	deny := uint32(unix.SECCOMP_RET_ERRNO | int(syscall.ENOTRECOVERABLE))
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_PRCTL, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 16}, // its first argument
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.PR_SET_DUMPABLE, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: deny},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	return nil
}

// Until it executes, a child shares its parent's memory: when it takes other ids, the kernel makes its parent as dumpable
// as fs.suid_dumpable says.
func TestNotDumpableAfterOtherIds(t *testing.T) {
	testenv.NeedRoot(t)
	want := "/bin/true false 1\n/bin/true true 0\n/no/such/program false 1\n/no/such/program true 0\n"
	if out := output(t, testenv.Child(t, "dumpable", "allowed")); out != want {
		t.Errorf("dumpable after commands: %s", out)
	}
	want = "/bin/true false false\n/bin/true true true\n/no/such/program false false\n/no/such/program true false\n"
	if out := output(t, testenv.Child(t, "dumpable", "refused")); out != want {
		t.Errorf("commands that failed where it cannot be repeated: %s", out)
	}
}
