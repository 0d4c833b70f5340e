//go:build linux

package spawn

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
)

// dumpableChild starts commands as another user, one that exists and one that does not, and says what it is afterwards.
func dumpableChild(args []string) error {
	if args[0] == "refused" {
		// That it is called cannot be seen otherwise where fs.suid_dumpable is 0.
		if err := forbid(syscall.ENOTRECOVERABLE, unix.SYS_PRCTL, unix.PR_SET_DUMPABLE); err != nil {
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
