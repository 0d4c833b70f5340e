package lockutils_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A promise of so many milliseconds is one of ours, and not of a machine on which others keep both processors busy. The
// kernel counts for each thread how long it could have run and was not let: that much, and no more, is the machine's.
// A thread that sleeps, to look again later, is not among them.

// queued returns how long the threads of processes that live have waited for a processor: the second figure of
// /proc/PID/task/TID/schedstat, in nanoseconds.
func queued(t testing.TB, pids ...int) time.Duration {
	t.Helper()
	var sum time.Duration
	for _, pid := range pids {
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		if err != nil || len(files) == 0 {
			t.Fatalf("pid %d: %d threads, %v", pid, len(files), err)
		}
		for _, file := range files {
			if text, err := os.ReadFile(file); err == nil { // else the thread has ended
				sum += queuedIn(t, string(text))
			}
		}
	}
	return sum
}

func queuedIn(t testing.TB, schedstat string) time.Duration {
	t.Helper()
	fields := strings.Fields(schedstat)
	if len(fields) != 3 {
		t.Fatalf("schedstat: %q", schedstat)
	}
	ns, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(ns)
}

// queuedThread is queued of the thread that calls.
func queuedThread(t testing.TB) time.Duration {
	t.Helper()
	text, err := os.ReadFile("/proc/thread-self/schedstat")
	if err != nil {
		t.Fatal(err)
	}
	return queuedIn(t, string(text))
}
