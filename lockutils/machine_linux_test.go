package lockutils_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A promise of so many milliseconds is one of ours, and not of a machine on which others keep both processors busy. The
// kernel counts for each thread how long it could have run and was not let: that much, and no more, is the machine's.
// A thread that sleeps, to look again later, is not among them.

// queued returns how long the threads of processes that live have waited for a processor.
func queued(t testing.TB, pids ...int) time.Duration {
	t.Helper()
	var sum time.Duration
	for _, pid := range pids {
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		if err != nil || len(files) == 0 {
			t.Fatalf("pid %d: %d threads, %v", pid, len(files), err)
		}
		for _, file := range files {
			one, err := queuedOf(file)
			if err != nil && !errors.Is(err, unix.ESRCH) && !errors.Is(err, os.ErrNotExist) { // the thread has ended
				t.Fatal(err)
			}
			sum += one
		}
	}
	return sum
}

// queuedThread is queued of the thread that calls.
func queuedThread() (time.Duration, error) { return queuedOf("/proc/thread-self/schedstat") }

// queuedOf reads the second figure of a schedstat, in nanoseconds.
func queuedOf(schedstat string) (time.Duration, error) {
	text, err := os.ReadFile(schedstat)
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	if len(fields) != 3 {
		return 0, fmt.Errorf("%s: %q", schedstat, text)
	}
	ns, err := strconv.ParseInt(fields[1], 10, 64)
	return time.Duration(ns), err
}
