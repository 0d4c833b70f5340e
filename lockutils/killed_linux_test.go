package lockutils_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/lockutils"
)

// holdTwoChild holds the locks bridge and clock until its input ends, or it is killed.
func holdTwoChild(args []string) error {
	held, err := (&lockutils.Set{Folder: args[0]}).LockAll(context.Background(), "bridge", "clock")
	if err != nil {
		return err
	}
	fmt.Println("held")
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, held.Unlock())
}

// death is what was seen of one kill -9 of a holder.
type death struct {
	ours time.Duration // from the kill until a Lock that waited returned
	bare time.Duration // from the kill until a bare fcntl(2) returned that waited for another lock of the same holder
	late time.Duration // from the holder's death until Lock returned, less what the machine took; often below zero
}

// killHolder kills a holder of two locks, for which a Lock of ours and a bare system call wait.
func killHolder(t testing.TB, template *exec.Cmd, s *lockutils.Set) death {
	t.Helper()
	h := startHolder(t, again(template))
	var in time.Time
	ours, bare := make(chan error, 1), make(chan error, 1)
	go func() {
		held, err := s.Lock(t.Context(), "bridge")
		in = time.Now()
		if err == nil {
			err = held.Unlock()
		}
		ours <- err
	}()
	clock := filepath.Join(s.Folder, "clock")
	var watch watch
	go func() { bare <- watch.run(clock, h.Process.Pid) }()
	awaitWaiters(t, filepath.Join(s.Folder, "bridge"), 1)
	awaitWaiters(t, clock, 1)
	before := queued(t, os.Getpid())
	killed := time.Now()
	if err := h.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(<-ours, <-bare); err != nil {
		t.Fatal(err)
	}
	machine := queued(t, os.Getpid()) - before - watch.queued
	h.ended = true
	_ = h.Wait()
	died := watch.died.Add(-watch.queued)
	return death{ours: in.Sub(killed), bare: watch.locked.Sub(killed), late: in.Sub(died) - machine}
}

// watch is a thread that waits for a lock by a bare system call, and then for the holder's end. A process that dies
// closes its descriptors before anybody is told, and may be stopped between two of them on a machine that is busy.
type watch struct {
	locked, died time.Time
	queued       time.Duration // of this, for a processor
}

func (w *watch) run(path string, pid int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	holder, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(holder)
	before, err := queuedThread()
	if err != nil {
		return err
	}
	if err := unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLKW, &unix.Flock_t{Type: unix.F_WRLCK}); err != nil {
		return err
	}
	w.locked = time.Now()
	for {
		if _, err = unix.Poll([]unix.PollFd{{Fd: int32(holder), Events: unix.POLLIN}}, -1); err != unix.EINTR {
			break
		}
	}
	w.died = time.Now()
	after, erring := queuedThread()
	w.queued = after - before
	return errors.Join(err, erring)
}

// A holder that is killed frees the lock: whoever waits for it has it within 5 ms of its death, each time. Beside other
// packages' tests it is a second: the clocks of a machine under load are not that fine.
func TestKilledHolder(t *testing.T) {
	s := &lockutils.Set{Folder: t.TempDir()}
	template := testenv.Child(t, "hold two", s.Folder)
	var ours, bare, late []time.Duration
	for range 200 {
		d := killHolder(t, template, s)
		if d.late > 5*time.Millisecond && (testenv.Alone() || d.late > time.Second) {
			t.Errorf("ours had the lock %v after its holder's death, want at most 5ms; from the kill %v, and a bare system call %v", d.late, d.ours, d.bare)
		}
		ours, bare, late = append(ours, d.ours), append(bare, d.bare), append(late, d.late)
	}
	t.Logf("from kill to lock: p50 %v, worst %v; a bare system call %v, %v; from the holder's death, less the machine's: %v, %v",
		middle(ours), quantile(ours, 1), middle(bare), quantile(bare, 1), middle(late), quantile(late, 1))
}

// From kill -9 of a holder until ours has its lock, and until a bare system call that waits beside it has another.
func BenchmarkKilledHolder(b *testing.B) {
	s := &lockutils.Set{Folder: b.TempDir()}
	template := testenv.Child(b, "hold two", s.Folder)
	var ours, bare []time.Duration
	for b.Loop() {
		d := killHolder(b, template, s)
		ours, bare = append(ours, d.ours), append(bare, d.bare)
	}
	b.ReportMetric(0, "ns/op") // most of a round is the start of a process
	for q, name := range map[float64]string{0.5: "p50", 0.99: "p99", 1: "max"} {
		b.ReportMetric(microseconds(quantile(ours, q)), "µs-"+name)
		b.ReportMetric(microseconds(quantile(bare, q)), "µs-bare-"+name)
	}
}

// oslo has the lock of a killed holder of ours within its own poll, which is 100 ms at most, and ours that of a killed
// holder of oslo's.
func TestKilledHolderAndOslo(t *testing.T) {
	needPython(t)
	folder, _ := newCounter(t)
	s := &lockutils.Set{Folder: folder, Names: lockutils.Oslo}
	waiter := exec.Command(python, "-c", `
import sys, time
from oslo_concurrency import lockutils
for line in sys.stdin:
    with lockutils.lock("bridge", external=True, lock_path=sys.argv[1], do_log=False):
        print("held", flush=True)
        if line == "keep\n":
            sys.stdin.read()
`, folder)
	waiter.Stderr = os.Stderr
	in, err := waiter.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := waiter.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := waiter.Start(); err != nil {
		t.Fatal(err)
	}
	oslo := &holder{Cmd: waiter, stdin: in}
	t.Cleanup(oslo.kill)
	var took []time.Duration
	for _, word := range []string{"once\n", "once\n", "once\n", "once\n", "keep\n"} {
		h := hold(t, folder, "bridge")
		if _, err := io.WriteString(in, word); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // it polls by now, as seldom as it ever does
		before := queued(t, os.Getpid(), waiter.Process.Pid)
		killed := time.Now()
		h.kill()
		wantLine(t, out, "held")
		at := time.Now()
		took = append(took, at.Sub(killed)-(queued(t, os.Getpid(), waiter.Process.Pid)-before))
	}
	t.Logf("oslo: from kill to lock, less the machine's: %v", took)
	if worst := quantile(took, 1); worst > 105*time.Millisecond && testenv.Alone() { // and 5 ms for ours to die
		t.Errorf("oslo had the lock after %v", worst)
	}

	got := make(chan error, 1)
	go func() {
		held, err := s.Lock(t.Context(), "bridge")
		if err == nil {
			err = held.Unlock()
		}
		got <- err
	}()
	awaitWaiters(t, filepath.Join(folder, "bridge"), 1)
	oslo.kill()
	if err := <-got; err != nil {
		t.Fatal(err)
	}
}
