package lockutils_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/lockutils"
)

// awaitWaiters returns when n locks are waited for on the file in the kernel, as /proc/locks shows it.
func awaitWaiters(t testing.TB, path string, n int) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for kernelWaiters(t, path) < n {
		if time.Now().After(deadline) {
			t.Fatalf("%d waiters never came to %s", n, path)
		}
		time.Sleep(time.Millisecond)
	}
}

func kernelWaiters(t testing.TB, path string) int {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile("/proc/locks")
	if err != nil {
		t.Fatal(err)
	}
	waiting := 0
	for line := range strings.Lines(string(table)) {
		if strings.Contains(line, "-> ") && strings.Contains(line, fmt.Sprintf(":%d ", inode(info))) {
			waiting++
		}
	}
	return waiting
}

// An oslo holder that runs flock(1) on the same file while ours wait: who held one mechanism and waited for the other
// would never come out of it.
func TestOsloHolderRunsFlock(t *testing.T) {
	needPython(t)
	needFlock(t)
	folder, counter := newCounter(t)
	job := countJob{Folder: folder, Counter: counter, Name: "bridge", Oslo: true, Rounds: 100}
	theirs := exec.Command(python, "-c", pythonBump+`
import os, subprocess
from oslo_concurrency import lockutils
for _ in range(rounds):
    with lockutils.lock(name, external=True, lock_path=folder, do_log=False):
        subprocess.check_call(["flock", os.path.join(folder, name), "true"])
        bump(counter)
`, folder, job.Name, counter, "100")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { t.Error("deadlock: nobody came through in two minutes") })
	defer stop()
	runAll(t, theirs, job.child(t), job.child(t))
	wantCount(t, counter, 300)
}

// Waiters are killed at any moment of their way, while others count.
func TestKilledWaiters(t *testing.T) {
	for _, fair := range []bool{false, true} {
		t.Run(fmt.Sprintf("fair=%v", fair), func(t *testing.T) {
			t.Parallel()
			folder, counter := newCounter(t)
			job := countJob{Folder: folder, Counter: counter, Name: "bridge", Rounds: 200, Fair: fair}
			template := testenv.Child(t, "spin", folder, job.Name, fmt.Sprint(fair))
			done := make(chan struct{})
			var killers sync.WaitGroup
			for range 2 {
				killers.Go(func() {
					for {
						select {
						case <-done:
							return
						default:
						}
						cmd := again(template)
						// Victims lock and do not count: a kill in the middle of counting is no fault of the lock.
						if err := cmd.Start(); err != nil {
							t.Error(err)
							return
						}
						time.Sleep(time.Duration(5+rand.IntN(30)) * time.Millisecond)
						_ = cmd.Process.Kill()
						_ = cmd.Wait()
					}
				})
			}
			runAll(t, job.child(t), job.child(t), job.child(t))
			close(done)
			killers.Wait()
			wantCount(t, counter, 600)
		})
	}
}

// again is the same command once more: a child's program is copied where it cannot be linked, which takes its time.
func again(template *exec.Cmd) *exec.Cmd {
	cmd := exec.Command(template.Path, template.Args[1:]...)
	cmd.Env = template.Env
	return cmd
}

// spinChild locks and unlocks until it is killed.
func spinChild(args []string) error {
	s := &lockutils.Set{Folder: args[0], Fair: args[2] == "true"}
	for parent := os.Getppid(); os.Getppid() == parent; { // a test that was killed must not leave it spinning
		held, err := s.Lock(context.Background(), args[1])
		if err != nil {
			return err
		}
		if err := held.Unlock(); err != nil {
			return err
		}
	}
	return nil
}

// The file is unlinked or renamed in every round, by the holder before it unlocks, while others wait for it.
func TestFileTakenAway(t *testing.T) {
	for _, how := range []string{"unlink", "rename"} {
		for kind, job := range map[string]countJob{"plain": {}, "fair": {Fair: true}, "flock only": {FlockOnly: true}} {
			t.Run(how+" "+kind, func(t *testing.T) {
				t.Parallel()
				folder, counter := newCounter(t)
				job.Folder, job.Counter, job.Name, job.Rounds, job.AtEnd = folder, counter, "bridge", 300, how
				runAll(t, job.child(t), job.child(t), job.child(t), job.child(t))
				wantCount(t, counter, 1200)
			})
		}
	}
}

// 1000 processes, once each.
func TestThousandProcesses(t *testing.T) {
	if testing.Short() {
		t.Skip("starts 1000 processes")
	}
	folder, counter := newCounter(t)
	job := countJob{Folder: folder, Counter: counter, Name: "bridge", Rounds: 1}
	template := job.child(t)
	cmds := make([]*exec.Cmd, 1000)
	for i := range cmds {
		cmds[i] = again(template)
	}
	start := time.Now()
	runAll(t, cmds...)
	t.Logf("1000 processes in %v", time.Since(start))
	wantCount(t, counter, 1000)
}

// Remove and CleanUp run all the time while others lock: nobody is ever let in beside a holder.
func TestRemoveUnderUse(t *testing.T) {
	folder, counter := newCounter(t)
	job := countJob{Folder: folder, Counter: counter, Name: "bridge", Rounds: 200, CancelEach: true}
	ctx, cancel := context.WithCancel(t.Context())
	var removers sync.WaitGroup
	removed, kept := 0, 0
	removers.Go(func() {
		s := &lockutils.Set{Folder: folder}
		for ctx.Err() == nil {
			names, err := s.CleanUp(ctx, 0)
			if err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
			removed += len(names)
			switch err := s.Remove(ctx, "bridge"); {
			case err == nil:
				removed++
			case errors.Is(err, lockutils.ErrInUse):
				kept++
			case ctx.Err() == nil:
				t.Error(err)
				return
			}
		}
	})
	runAll(t, job.child(t), job.child(t), job.child(t))
	cancel()
	removers.Wait()
	wantCount(t, counter, 600)
	t.Logf("removed %d times, found in use %d times", removed, kept)
	if removed == 0 || kept == 0 {
		t.Error("the test did not get to both ends of a removal")
	}
	if _, err := os.Stat(filepath.Join(folder, "bridge")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
