//go:build linux

package spawn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
)

// recycleChild is process 1 of a pid namespace. Somebody else takes the status of a command of its, and the number goes
// to another process: Signal must not reach that.
func recycleChild([]string) error {
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return err
	}
	g, err := NewGroup(Options{NoCgroup: true})
	if err != nil {
		return err
	}
	f, err := NewForker(nil)
	if err != nil {
		return err
	}
	for _, session := range []bool{true, false} {
		p, other, err := twoOfOneNumber(g, f, session)
		if err != nil {
			return err
		}
		fmt.Println(p.Signal(syscall.SIGTERM))
		children.mu.Lock() // the reaper still knows the number as the command's
		err = syscall.Kill(other.Process.Pid, syscall.SIGKILL)
		ended := other.Wait()
		children.mu.Unlock()
		if err != nil || ended == nil || ended.Error() != "signal: killed" {
			return errors.Join(err, fmt.Errorf("the other process: %v", ended))
		}
	}
	return nil
}

// twoOfOneNumber starts a command, takes its status before the reaper does, and starts another process of its number, with a process
// group of its own. Where a new thread of ours has the number, it begins again.
func twoOfOneNumber(g *Group, f *Forker, session bool) (*Process, *exec.Cmd, error) {
	for range 100 {
		c := shell("exec sleep 1000", nil)
		c.Setsid = session
		p, err := g.Start(context.Background(), f, c)
		if err != nil {
			return nil, nil, err
		}
		children.mu.Lock() // the reaper's rival comes first
		err = errors.Join(syscall.Kill(p.Pid, syscall.SIGKILL), wait(p.Pid))
		children.mu.Unlock()
		if err != nil {
			return nil, nil, err
		}
		if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(strconv.Itoa(p.Pid-1)), 0); err != nil {
			return nil, nil, err
		}
		other := exec.Command("/bin/sleep", "1000")
		other.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := other.Start(); err != nil {
			return nil, nil, err
		}
		if other.Process.Pid == p.Pid {
			return p, other, nil
		}
		other.Process.Kill()
		other.Wait()
	}
	return nil, nil, errors.New("no process got the number of one before")
}

func wait(pid int) error {
	_, err := syscall.Wait4(pid, nil, 0, nil)
	return err
}

// CVE-2019-6133 (polkit): a pid was taken for a process.
func TestSignalAfterPidReuse(t *testing.T) {
	testenv.NeedRoot(t)
	cmd := testenv.Child(t, "recycle")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS, Unshareflags: syscall.CLONE_NEWNS}
	done := os.ErrProcessDone.Error() + "\n"
	if out := output(t, cmd); out != done+done {
		t.Errorf("Signal: %s", out)
	}
}
