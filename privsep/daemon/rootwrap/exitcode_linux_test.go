package rootwrap_test

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

// How a helper ends says whose fault it was.
func TestExitCodes(t *testing.T) {
	testenv.NeedRoot(t)
	for name, c := range map[string]struct {
		policy, sent string
		want         int
	}{
		"the client goes":      {"true: CommandFilter, true, root\n", "", 0},
		"a protocol error":     {"true: CommandFilter, true, root\n", "GET / HTTP/1.0\r\n\r\n", 76},
		"half a message":       {"true: CommandFilter, true, root\n", "\x00\x00\x00\x09\x93", 76},
		"an error in a policy": {"true: NoSuchFilter, true, root\n", "", 97},
	} {
		t.Run(name, func(t *testing.T) {
			pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
			defer ours.Close()
			helper := exec.Command(program(t), "helper-of", "capabilities=\n", c.policy)
			helper.Stdin = theirs
			if err := helper.Start(); err != nil {
				t.Fatal(err)
			}
			theirs.Close()
			if _, err := ours.WriteString(c.sent); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Shutdown(pair[0], syscall.SHUT_WR); err != nil {
				t.Fatal(err)
			}
			_ = helper.Wait()
			if got := helper.ProcessState.ExitCode(); got != c.want {
				t.Errorf("exit code %d, want %d", got, c.want)
			}
		})
	}
}
