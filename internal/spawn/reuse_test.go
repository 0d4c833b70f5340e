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
		c := shell("exec sleep 1000", nil)
		c.Setsid = session
		p, err := g.Start(context.Background(), f, c)
		if err != nil {
			return err
		}
		children.mu.Lock() // the reaper's rival comes first
		err = errors.Join(syscall.Kill(p.Pid, syscall.SIGKILL), wait(p.Pid))
		children.mu.Unlock()
		if err != nil {
			return err
		}
		other, err := startAs(p.Pid)
		if err != nil {
			return err
		}
		fmt.Println(p.Signal(syscall.SIGTERM))
		if err := syscall.Kill(other.Process.Pid, syscall.SIGKILL); err != nil {
			return err
		}
		if err := other.Wait(); err == nil || err.Error() != "signal: killed" {
			return fmt.Errorf("the other process: %v", err)
		}
	}
	return nil
}

// startAs starts a process of that number, with a process group of its own.
func startAs(pid int) (*exec.Cmd, error) {
	for range 100 { // a new thread of ours may take the number
		if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(strconv.Itoa(pid-1)), 0); err != nil {
			return nil, err
		}
		c := exec.Command("/bin/sleep", "1000")
		c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := c.Start(); err != nil {
			return nil, err
		}
		if c.Process.Pid == pid {
			return c, nil
		}
		c.Process.Kill()
		c.Wait()
	}
	return nil, fmt.Errorf("no process gets the number %d", pid)
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
