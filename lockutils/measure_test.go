package lockutils_test

import (
	"bufio"
	"io"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func middle(times []time.Duration) time.Duration { return quantile(times, 0.5) }

func median(figures []float64) float64 {
	return slices.Sorted(slices.Values(figures))[(len(figures)-1)/2]
}

func quantile(times []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[int(q*float64(len(sorted)-1))]
}

func inode(info fs.FileInfo) uint64 { return info.Sys().(*syscall.Stat_t).Ino }

// wantLine reads one line, byte by byte, so that nothing after it is lost.
func wantLine(t testing.TB, r io.Reader, want string) {
	t.Helper()
	line, err := bufio.NewReaderSize(oneByte{r}, 16).ReadString('\n')
	if got := strings.TrimSpace(line); got != want || err != nil {
		t.Fatalf("read %q, %v; want %q", got, err, want)
	}
}

type oneByte struct{ io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.Reader.Read(p[:1]) }

// processorTime is what this process has used, in user and system mode.
func processorTime(t testing.TB) time.Duration {
	t.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		t.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

func microseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// perRound returns the nanoseconds that one of many calls takes.
func perRound(rounds int, call func()) float64 {
	start := time.Now()
	for range rounds {
		call()
	}
	return float64(time.Since(start).Nanoseconds()) / float64(rounds)
}

// goroutinesIn counts the goroutines that are in a function and blocked there.
func goroutinesIn(function string) int {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	n := 0
	for g := range strings.SplitSeq(string(stacks), "\n\n") {
		head, _, _ := strings.Cut(g, "\n")
		if strings.Contains(head, "[select") && strings.Contains(g, function+"(") {
			n++
		}
	}
	return n
}
