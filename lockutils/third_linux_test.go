package lockutils_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/lockutils"
)

// cancelledChild has 10,000 waits for a lock cancelled, says so, and when its input has ended takes the lock and looks
// for what is left. A deaf one ignores SIGURG, by which a wait is called back from the kernel.
func cancelledChild(args []string) error {
	if args[1] == "deaf" {
		signal.Ignore(syscall.SIGURG)
	}
	goroutines := runtime.NumGoroutine()
	s := &lockutils.Set{Folder: args[0]}
	if err := cancelWaits(s, "bridge"); err != nil {
		return err
	}
	fmt.Println("held")
	if n, _ := os.Stdin.Read(make([]byte, 1)); n > 0 {
		return errors.New("a word, where the end was due")
	}
	held, err := s.Lock(context.Background(), "bridge")
	if err != nil {
		return err
	}
	if err := held.Unlock(); err != nil {
		return err
	}
	for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > goroutines; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return errors.New("a goroutine is left")
		}
	}
	return nil
}

// This process holds the lock, a second has ended 10,000 waits for it, and a third waits: it has the lock within 50 ms
// after it was given back, each time. The second leaves nothing in the kernel, or if it is deaf one thread for each way
// to hold the file, until the lock is free.
func TestThirdProcess(t *testing.T) {
	needFlock(t)
	for second, most := range map[string]int{"plain": 0, "deaf": 2} {
		for name, third := range map[string]func(folder string) *exec.Cmd{
			"ours": func(folder string) *exec.Cmd { return testenv.Child(t, "hold", folder, "bridge") },
			"flock(1)": func(folder string) *exec.Cmd {
				return exec.Command("flock", filepath.Join(folder, "bridge"), "sh", "-c", "echo held; cat")
			},
		} {
			folder, _ := newCounter(t)
			held, err := (&lockutils.Set{Folder: folder}).Lock(t.Context(), "bridge")
			if err != nil {
				t.Fatal(err)
			}
			cancelled := startHolder(t, testenv.Child(t, "cancelled", folder, second))
			left := 0
			// More than once, because /proc/locks is read in pieces and may show one twice while others come and go.
			eventually(t, 5*time.Second, fmt.Sprintf("%s: at most %d waits in the kernel", second, most), func() bool {
				left = kernelWaiters(t, held.Path)
				return left <= most
			})
			if second == "deaf" && left == 0 {
				t.Error("it was not deaf")
			}

			cmd := third(folder)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			waiter := &holder{Cmd: cmd, stdin: in}
			t.Cleanup(waiter.kill)
			awaitWaiters(t, held.Path, left+1)

			pids := []int{os.Getpid(), cancelled.Process.Pid, cmd.Process.Pid}
			before := queued(t, pids...)
			freed := time.Now()
			if err := held.Unlock(); err != nil {
				t.Fatal(err)
			}
			wantLine(t, out, "held")
			took := time.Since(freed)
			machine := queued(t, pids...) - before
			t.Logf("%s: %s had the lock after %v, of which the machine's %v; waits that were left: %d", second, name, took, machine, left)
			if took-machine > 50*time.Millisecond {
				t.Errorf("%s: %s had the lock after %v, of which the machine's %v", second, name, took, machine)
			}
			waiter.free(t)
			eventually(t, 5*time.Second, "no wait is left", func() bool { return kernelWaiters(t, held.Path) == 0 })
			cancelled.free(t)
		}
	}
}
