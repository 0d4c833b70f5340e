package lockutils_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/lockutils"
)

// monotonic is a clock that processes share, in nanoseconds.
func monotonic() (int64, error) {
	var now unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return now.Nano(), err
}

// handoverChild takes the lock whenever it reads a byte, gives it back, and prints when it had it.
func handoverChild(args []string) error {
	s := &lockutils.Set{Folder: args[0], Fair: args[1] == "fair"}
	for {
		if _, err := os.Stdin.Read(make([]byte, 1)); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		unlock, err := takeAs(context.Background(), s, args[1])
		if err != nil {
			return err
		}
		at, err := monotonic()
		if err := errors.Join(err, unlock()); err != nil {
			return err
		}
		fmt.Println(at)
	}
}

// hander is a process that takes the lock when it is told to.
type hander struct {
	*holder
	in   io.Writer
	out  *bufio.Reader
	path string
}

func startHander(b *testing.B, folder, mode string) *hander {
	b.Helper()
	cmd := testenv.Child(b, "handover", folder, mode)
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	h := &hander{&holder{Cmd: cmd, stdin: in}, in, bufio.NewReader(out), filepath.Join(folder, "bridge")}
	b.Cleanup(h.kill)
	return h
}

// pass lets the process wait for the lock, gives it back, and returns how long that took to arrive.
func (h *hander) pass(b *testing.B, unlock func() error) time.Duration {
	b.Helper()
	if _, err := h.in.Write([]byte("g")); err != nil {
		b.Fatal(err)
	}
	awaitWaiters(b, h.path, 1)
	from, err := monotonic()
	if err == nil {
		err = unlock()
	}
	if err != nil {
		b.Fatal(err)
	}
	line, err := h.out.ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	at, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return time.Duration(at - from)
}

// BenchmarkHandover measures from one process's Unlock to the return of another's Lock, in turns with two processes that
// make nothing but the system calls of one mechanism. The target is a p50 of 100 µs.
func BenchmarkHandover(b *testing.B) {
	modes := []string{"plain", "fair", "bare"}
	times := map[string][]time.Duration{}
	handers, sets := map[string]*hander{}, map[string]*lockutils.Set{}
	for _, mode := range modes {
		folder, _ := newCounter(b)
		handers[mode] = startHander(b, folder, mode)
		sets[mode] = &lockutils.Set{Folder: folder, Fair: mode == "fair"}
	}
	for b.Loop() {
		for _, mode := range modes {
			unlock, err := takeAs(b.Context(), sets[mode], mode)
			if err != nil {
				b.Fatal(err)
			}
			times[mode] = append(times[mode], handers[mode].pass(b, unlock))
		}
	}
	b.ReportMetric(0, "ns/op") // most of a turn is waiting until the other waits
	for _, mode := range modes {
		b.ReportMetric(microseconds(middle(times[mode])), "µs-"+mode+"-p50")
		b.ReportMetric(microseconds(quantile(times[mode], 0.99)), "µs-"+mode+"-p99")
	}
}

// takeAs takes the lock bridge by a Set, or by system calls alone, and returns how to give it back.
func takeAs(ctx context.Context, s *lockutils.Set, mode string) (unlock func() error, err error) {
	if mode != "bare" {
		held, err := s.Lock(ctx, "bridge")
		if err != nil {
			return nil, err
		}
		return held.Unlock, nil
	}
	fd, err := unix.Open(filepath.Join(s.Folder, "bridge"), unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLKW, &unix.Flock_t{Type: unix.F_WRLCK})
		if err == nil {
			return func() error { return unix.Close(fd) }, nil
		}
		if err != unix.EINTR {
			return nil, errors.Join(err, unix.Close(fd))
		}
	}
}
