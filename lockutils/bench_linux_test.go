package lockutils_test

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/lockutils"
)

func BenchmarkUncontended(b *testing.B) {
	folder, _ := newCounter(b)
	path := filepath.Join(folder, "bridge")
	b.Run("C", func(b *testing.B) {
		program := eightCalls(b)
		b.ReportMetric(runEight(b, program, path, max(b.N, 1000)), "ns/op")
	})
	b.Run("system calls", func(b *testing.B) {
		for b.Loop() {
			if err := eight(path); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, s := range map[string]*lockutils.Set{
		"Set":            {Folder: folder},
		"Set fair":       {Folder: folder, Fair: true},
		"Set polite":     {Folder: folder, Polite: true},
		"Set flock only": {Folder: folder, Engine: lockutils.FlockOnly},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				held, err := s.Lock(b.Context(), "bridge")
				if err != nil {
					b.Fatal(err)
				}
				if err := held.Unlock(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("gofrs", func(b *testing.B) {
		for b.Loop() {
			f := flock.New(path)
			if got, err := f.TryLock(); err != nil || !got {
				b.Fatal(got, err)
			}
			if err := f.Unlock(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// eight makes the same eight system calls from Go, with nothing around them.
func eight(path string) error {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NOCTTY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return err
	}
	var open, named unix.Stat_t
	for _, call := range []func() error{
		func() error { return unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}) },
		func() error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) },
		func() error { return unix.Fstat(fd, &open) },
		func() error { return unix.Lstat(path, &named) },
		func() error { return unix.Flock(fd, unix.LOCK_UN) },
		func() error { return unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_UNLCK}) },
		func() error { return unix.Close(fd) },
	} {
		if err := call(); err != nil {
			return err
		}
	}
	return nil
}

// eightCalls compiles testdata/eight.c.
func eightCalls(t testing.TB) string {
	t.Helper()
	gcc := testenv.NeedProgram(t, "gcc", "gcc")
	program := filepath.Join(t.TempDir(), "eight")
	if out, err := exec.Command(gcc, "-O2", "-o", program, "testdata/eight.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

func runEight(t testing.TB, program, path string, rounds int) float64 {
	t.Helper()
	out, err := exec.Command(program, path, strconv.Itoa(rounds)).Output()
	if err != nil {
		t.Fatal(err)
	}
	ns, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		t.Fatal(err)
	}
	return ns
}

// BenchmarkAgainstC takes a lock that nobody else wants, in turns with a C program that makes the same eight calls, and
// with those calls made from Go. The target is 1.6 times the C program; medians of the turns.
func BenchmarkAgainstC(b *testing.B) {
	program := eightCalls(b)
	folder, _ := newCounter(b)
	s := &lockutils.Set{Folder: folder}
	path := filepath.Join(folder, "bridge")
	const rounds = 2000
	var ours, c, calls []float64
	for b.Loop() {
		c = append(c, runEight(b, program, path, rounds))
		ours = append(ours, perRound(rounds, func() {
			held, err := s.Lock(b.Context(), "bridge")
			if err == nil {
				err = held.Unlock()
			}
			if err != nil {
				b.Fatal(err)
			}
		}))
		calls = append(calls, perRound(rounds, func() {
			if err := eight(path); err != nil {
				b.Fatal(err)
			}
		}))
	}
	b.ReportMetric(0, "ns/op") // a turn is all three
	b.ReportMetric(median(ours), "ns-ours")
	b.ReportMetric(median(c), "ns-C")
	b.ReportMetric(median(calls), "ns-calls-from-Go")
	b.ReportMetric(median(ours)/median(c), "ours/C")
}

// BenchmarkKeys takes a name in this process, in turns with a sync.Mutex. The target is 150 ns.
func BenchmarkKeys(b *testing.B) {
	var k lockutils.Keys
	var mu sync.Mutex
	const rounds = 20_000
	var ours, mutex []float64
	taken := 0
	ctx := b.Context()
	for b.Loop() {
		ours = append(ours, perRound(rounds, func() {
			held, err := k.Lock(ctx, "bridge")
			if err == nil {
				err = held.Unlock()
			}
			if err != nil {
				b.Fatal(err)
			}
		}))
		mutex = append(mutex, perRound(rounds, func() {
			mu.Lock()
			taken++
			mu.Unlock()
		}))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(ours), "ns-ours")
	b.ReportMetric(median(mutex), "ns-sync.Mutex")
}
