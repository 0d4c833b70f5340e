package processutils

import (
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
)

// Neither mark changes anything of this process but the slice of one thread, for one fork.
func TestBirthTouchesOneThread(t *testing.T) {
	if bearing().ordinary == 0 {
		testenv.Miss(t, "births need Linux 6.12 and no filter of system calls")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	n, end := bearing().begin()
	during := *fair()
	if other := readBirth(syscall.Getpid()); unix.Gettid() != unix.Getpid() && other == n {
		t.Errorf("the first thread has slice %d too", other)
	}
	end()
	after := *fair()
	if after != *before {
		t.Errorf("%+v after, %+v before", after, *before)
	}
	if during.Runtime != uint64(n) || n == 0 {
		t.Errorf("a slice of %d, want %d", during.Runtime, n)
	}
	if during.Runtime = before.Runtime; during != *before {
		t.Errorf("%+v during, %+v before", during, *before)
	}
	if again, end := bearing().begin(); again == n {
		t.Errorf("%d twice", n)
	} else {
		end()
	}
}

// What is reported as left behind: all that is the command's, and nothing that only looks like it.
func TestRelease(t *testing.T) {
	if bearing().ordinary == 0 {
		testenv.Miss(t, "births need Linux 6.12 and no filter of system calls")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b, end := bearing().begin()
	defer end()
	start := func(args ...string) *exec.Cmd {
		c := exec.Command(args[0], args[1:]...)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Process.Kill(); c.Wait() })
		return c
	}
	older := start("sleep", "100141") // its start is told in hundredths of a second
	first, _ := readStat(older.Process.Pid)
	var main *exec.Cmd
	for {
		main = start("sleep", "100141")
		if p, ok := readStat(main.Process.Pid); ok && p.start > first.start {
			break
		}
		time.Sleep(time.Millisecond)
	}
	own := give(main.Process.Pid)

	marked, stranger := start("sleep", "100141"), start("sleep", "100141")
	for pid, m := range map[int]mark{marked.Process.Pid: own, stranger.Process.Pid: own ^ 1, older.Process.Pid: own} {
		if err := unix.Prlimit(pid, unix.RLIMIT_LOCKS, &unix.Rlimit{Cur: uint64(m), Max: unix.RLIM_INFINITY}, nil); err != nil {
			t.Fatal(err)
		}
	}
	born := start("sleep", "100141") // nobody adopted it: this process, which started it, is its parent
	b2, stop := bearing().begin()    // another command's
	other := start("sleep", "100141")
	stop()

	for _, c := range []struct {
		name string
		m    members
		want []int
	}{
		{"mark", members{main: main.Process.Pid, mark: own}, []int{marked.Process.Pid}},
		{"birth", members{main: main.Process.Pid, birth: b}, []int{born.Process.Pid}},
		{"both", members{main: main.Process.Pid, mark: own, birth: b}, []int{marked.Process.Pid, born.Process.Pid}},
		{"neither", members{main: main.Process.Pid}, nil},
		{"another's birth", members{main: main.Process.Pid, birth: b2}, []int{other.Process.Pid}},
	} {
		for _, ago := range []time.Duration{0, time.Hour} { // by number, and by the list of all
			if c.m.mark != 0 || c.m.birth != 0 {
				c.m.since = newSince(c.m.main, time.Now().Add(-ago))
			}
			got := c.m.release()
			slices.Sort(got)
			slices.Sort(c.want)
			if !slices.Equal(got, c.want) {
				t.Errorf("%s: %v, want %v of older %d, main %d, marked %d, stranger %d, born %d, other %d", c.name, got, c.want,
					older.Process.Pid, main.Process.Pid, marked.Process.Pid, stranger.Process.Pid, born.Process.Pid, other.Process.Pid)
			}
		}
	}

	// A child of somebody who is older than the command and no ancestor of ours.
	p, ok := readStat(born.Process.Pid)
	if p.ppid = older.Process.Pid; !ok || p.adopted(first.start+1) {
		t.Error("a child of a stranger is told adopted")
	}
	if p.ppid = main.Process.Pid; !p.adopted(first.start + 1) {
		t.Error("a child of a younger process whose parent is this one is not told adopted")
	}
}
