package rootwrap_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
)

// A rule with a fence runs commands of rising tokens alone, whichever helper they come to, while none of an older one runs;
// and what it refuses has not begun.
func TestSectionFence(t *testing.T) {
	dir := rootsFolder(t)
	config := "fence_path=" + dir + "/fences\ncapabilities=\n"
	policy := rules(rule{"fenced", "root", "fence = bridge"}, rule{"free", "root", "audit = brief"})
	first, second := start(t, program(t), config, policy), start(t, program(t), config, policy)
	for i, step := range []struct {
		second bool
		rule   string
		token  int64
		want   string // "": it runs
	}{
		{false, "fenced", 0, "rule fenced: fence bridge: a fencing token is needed"},
		{false, "free", 3, "rule free: a fencing token came with what has no fence"},
		{false, "free", 0, ""},
		{false, "fenced", 5, ""},
		{true, "fenced", 5, ""},
		{true, "fenced", 8, ""},
		{false, "fenced", 5, "rule fenced: fence bridge: the fencing token 5 is older than 8"},
	} {
		c := first
		if step.second {
			c = second
		}
		mark := dir + "/mark"
		os.Remove(mark)
		cmd := shell(c, step.rule, "touch "+mark)
		cmd.Token = step.token
		err := cmd.Run()
		_, serr := os.Stat(mark)
		switch {
		case step.want == "" && (err != nil || serr != nil):
			t.Errorf("step %d: %v, %v", i, err, serr)
		case step.want != "" && (!errors.Is(err, privsep.CodeFenced) || !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), step.want) || serr == nil):
			t.Errorf("step %d: %v, %v", i, err, serr)
		}
	}

	// What an older command has left behind holds the next off, with no lock of its own.
	fifo := dir + "/fifo"
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	older := shell(second, "fenced", "setsid cat "+fifo+" >"+dir+"/order 2>&1 &")
	older.Token = 9
	if err := older.Run(); err != nil {
		t.Fatal(err)
	}
	next := shell(first, "fenced", "test -s "+dir+"/order")
	next.Token = 10
	ran := make(chan error, 1)
	go func() { ran <- next.Run() }()
	if err := os.WriteFile(fifo, []byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	if err := <-ran; err != nil {
		t.Errorf("the next began before the older had ended: %v", err)
	}
	if text, err := os.ReadFile(dir + "/fences/bridge"); err != nil || string(text) != "10\n" {
		t.Errorf("%q, %v", text, err)
	}
}

// A KillFilter has a fence as what starts a command has: who lost the lock ends nobody.
func TestKillFence(t *testing.T) {
	dir := rootsFolder(t)
	policy := "kill: KillFilter, root, /bin/sleep, -TERM\n[kill]\nfence = bridge\n"
	first, second := start(t, program(t), "fence_path="+dir+"\ncapabilities=\n", policy), start(t, program(t), "fence_path="+dir+"\ncapabilities=\n", policy)
	victim := func() *exec.Cmd {
		cmd := exec.Command("/bin/sleep", "1000000")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		return cmd
	}
	kill := func(c *client.Client, token int64, cmd *exec.Cmd) error {
		k := c.Command("kill", "-TERM", fmt.Sprint(cmd.Process.Pid))
		k.Token = token
		return k.Run()
	}
	ended, spared := victim(), victim()
	if err := kill(first, 8, ended); err != nil {
		t.Fatal(err)
	}
	ended.Wait()
	if got := ended.ProcessState.Sys().(syscall.WaitStatus); got.Signal() != unix.SIGTERM {
		t.Errorf("%v", ended.ProcessState)
	}
	for token, want := range map[int64]string{7: "the fencing token 7 is older than 8", 0: "a fencing token is needed"} {
		if err := kill(second, token, spared); !errors.Is(err, privsep.CodeFenced) || !strings.Contains(err.Error(), "rule kill: fence bridge: "+want) {
			t.Errorf("token %d: %v", token, err)
		}
	}
	// A signal that was sent would be what ends it: it is older than ours.
	spared.Process.Signal(unix.SIGKILL)
	spared.Wait()
	if got := spared.ProcessState.Sys().(syscall.WaitStatus); got.Signal() != unix.SIGKILL {
		t.Errorf("a refused kill has ended it: %v", spared.ProcessState)
	}
}
