//go:build linux

package processutils_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/processutils"
)

// inherit opens a hundred descriptors that are not close-on-exec, ignores a signal, and shows what its command sees.
func inherit([]string) error {
	signal.Ignore(syscall.SIGUSR1)
	for range 100 {
		if _, err := unix.Dup(1); err != nil {
			return err
		}
	}
	c := processutils.Shell("ls /proc/self/fd | tr '\\n' ' '; echo; grep -E '^Sig(Blk|Ign)' /proc/self/status; ulimit -Sn")
	res, err := local.Run(context.Background(), c)
	fmt.Print(res.Stdout)
	return err
}

// The child's child sees only 0 to 2 (3 is ls reading the folder), although a hundred more are open and inheritable; no
// signal is ignored or blocked, although its parent was started with five ignored and one blocked; and its soft limit is
// the one from before Go raised it.
func TestWhatIsInherited(t *testing.T) {
	child := testenv.Child(t, "inherit")
	script := `ulimit -Sn 200; trap '' HUP INT TERM TSTP PIPE; exec "$0"`
	sh := exec.Command("/bin/sh", "-c", script, child.Path)
	sh.Env = child.Env
	got := strings.Fields(string(testenv.Output(t, sh)))
	want := strings.Fields("0 1 2 3 SigBlk: 0000000000000000 SigIgn: 0000000000000000 200")
	if !slices.Equal(got, want) {
		t.Errorf("the command saw %q, want %q", got, want)
	}
}

// A blocked signal of the thread that Run happens to be on is not handed on, and stays blocked there.
func TestBlockedSignalIsNotInherited(t *testing.T) {
	set := unix.Sigset_t{}
	set.Val[0] = 1 << (unix.SIGUSR2 - 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlock it: the thread ends with its mask
		if err := unix.PthreadSigmask(unix.SIG_SETMASK, &set, nil); err != nil {
			t.Error(err)
			return
		}
		res, err := local.Run(context.Background(), processutils.Command("grep", "SigBlk", "/proc/self/status"))
		if err != nil || !strings.Contains(res.Stdout.String(), "0000000000000000") {
			t.Errorf("the command saw %s (%v)", res.Stdout, err)
		}
		var now unix.Sigset_t
		if err := unix.PthreadSigmask(unix.SIG_BLOCK, nil, &now); err != nil || now != set {
			t.Errorf("the thread's mask is %v (%v), was %v", now, err, set)
		}
	}()
	<-done
}

// Two hundred at once leave no zombie and no descriptor.
func TestTwoHundredAtOnce(t *testing.T) {
	run(t, processutils.Command("true")) // the poller's own descriptors
	before := descriptors()
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			c := processutils.Shell("cat; exit $1", strconv.Itoa(i%3))
			c.Input = []byte("x")
			res, err := local.Run(context.Background(), c)
			if (err == nil) != (i%3 == 0) || res.Code != i%3 || res.Stdout.String() != "x" {
				t.Errorf("command %d: %v, %v", i, res, err)
			}
		})
	}
	all.Wait()
	eventually(t, "no more descriptors than before", func() bool { return descriptors() <= before })
	if z := zombies(t); len(z) > 0 {
		t.Errorf("zombies: %v", z)
	}
}

// zombies are dead children of this process that nobody has reaped.
func zombies(t testing.TB) (pids []string) {
	t.Helper()
	all, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		text, _ := os.ReadFile("/proc/" + e.Name() + "/stat")
		f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(f) > 1 && f[0] == "Z" && f[1] == strconv.Itoa(os.Getpid()) {
			pids = append(pids, e.Name())
		}
	}
	return pids
}
