package pymanager

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/privhelper/privhelper/internal/testenv"
)

// peerClient is Debian's client in a process of its own: commands a second of N threads.
const peerClient = `
import sys, threading, time
from oslo_rootwrap import client
threads, seconds = int(sys.argv[1]), float(sys.argv[2])
c = client.Client(sys.argv[3:])
assert c.execute(['true'])[0] == 0
counts, end = [0] * threads, time.monotonic() + seconds
def work(n):
    while time.monotonic() < end:
        assert c.execute(['true']) == [0, '', '']
        counts[n] += 1
ts = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
[t.start() for t in ts]
[t.join() for t in ts]
print(sum(counts) / seconds)
c._finalize()
`

// BenchmarkAgainstPython runs /bin/true by this daemon and by Debian's oslo-rootwrap-daemon, turn by turn, for one caller
// and for 64 that each have a connection; the same by Python's own client, which lets one of its threads through at a
// time; and once each by privhelper rootwrap and oslo-rootwrap. It reports medians over the turns, and their ratios.
//
// Beside them stands what this machine can do at all: /bin/true started and waited for by as many threads as there are
// CPUs, or by one for one caller, with no daemon, no pipes and no policy. Python's daemon uses one CPU however many there are:
// ten times its rate takes a machine on which this ceiling is above that.
//
//	go test -run - -bench AgainstPython -benchtime 1x ./privsep/daemon/pymanager
func BenchmarkAgainstPython(b *testing.B) {
	testenv.NeedRoot(b)
	theirs := testenv.NeedProgram(b, "oslo-rootwrap-daemon", "oslo-rootwrap")
	oneShot := testenv.NeedProgram(b, "oslo-rootwrap", "oslo-rootwrap")
	dir, err := os.MkdirTemp("/var/lib", "privhelper-bench-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	binary := filepath.Join(dir, "privhelper")
	build := exec.Command("go", "build", "-trimpath", "-o", binary, "github.com/privhelper/privhelper/cmd/privhelper")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	testenv.Output(b, build)
	conf := filepath.Join(dir, "r.conf")
	for name, text := range map[string]string{
		"r.conf":          "[DEFAULT]\nfilters_path=" + dir + "/f.d\nexec_dirs=/usr/bin,/bin\n",
		"f.d/one.filters": "[Filters]\ntrue: CommandFilter, true, root\n",
		"client.py":       peerClient,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	ours := []string{binary, "rootwrap-daemon", conf}
	python := []string{theirs, conf}
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			turns(b, func() float64 { return rate(b, ours, callers) }, func() float64 { return rate(b, python, callers) }, func() float64 { return ceiling(b, callers) })
		})
		b.Run(fmt.Sprintf("client=python/callers=%d", callers), func(b *testing.B) {
			by := func(daemon []string) float64 {
				args := append([]string{filepath.Join(dir, "client.py"), strconv.Itoa(callers), "1.5"}, daemon...)
				out := testenv.Output(b, exec.Command("/usr/bin/python3", args...))
				n, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
				if err != nil {
					b.Fatal(err)
				}
				return n
			}
			turns(b, func() float64 { return by(ours) }, func() float64 { return by(python) }, nil)
		})
	}
	b.Run("oneshot", func(b *testing.B) {
		once := func(times int, argv ...string) float64 {
			begin := time.Now()
			for range times {
				testenv.Output(b, exec.Command(argv[0], argv[1:]...))
			}
			return float64(times) / time.Since(begin).Seconds()
		}
		turns(b, func() float64 { return once(100, binary, "rootwrap", conf, "true") }, func() float64 { return once(2, oneShot, conf, "true") }, nil)
	})
}

// turns measures all, five times each, one after the other. ceiling may be nil.
func turns(b *testing.B, ours, python, ceiling func() float64) {
	for b.Loop() {
		var a, p, ratios, limits, shares []float64
		for range 5 {
			a, p = append(a, ours()), append(p, python())
			ratios = append(ratios, a[len(a)-1]/p[len(p)-1])
			if ceiling != nil {
				limits = append(limits, ceiling())
				shares = append(shares, a[len(a)-1]/limits[len(limits)-1])
			}
		}
		for _, list := range [][]float64{a, p, ratios, limits, shares} {
			slices.Sort(list)
		}
		if ceiling != nil {
			b.ReportMetric(limits[2], "ceiling/s")
			b.ReportMetric(shares[2], "of-ceiling")
			b.ReportMetric(limits[2]/p[2], "ceiling-ratio")
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(a[2], "ours/s")
		b.ReportMetric(p[2], "python/s")
		b.ReportMetric(ratios[2], "ratio")
		b.ReportMetric(ratios[0], "ratio-min")
		b.ReportMetric(ratios[4], "ratio-max")
	}
}

// ceiling is how many times a second this process can start /bin/true and wait for it.
func ceiling(b *testing.B, callers int) float64 {
	b.Helper()
	var group sync.WaitGroup
	counts := make([]int, min(callers, runtime.NumCPU()))
	begin := time.Now()
	end := begin.Add(time.Second)
	for i := range counts {
		group.Go(func() {
			for ; time.Now().Before(end); counts[i]++ {
				pid, err := syscall.ForkExec("/bin/true", []string{"true"}, nil)
				if err == nil {
					_, err = syscall.Wait4(pid, nil, 0, nil)
				}
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	return float64(total) / time.Since(begin).Seconds()
}

// rate starts a daemon and measures commands a second, each caller with a connection of its own.
func rate(b *testing.B, argv []string, callers int) float64 {
	b.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	told := bufio.NewReader(stdout) // Python's daemon says that it closes its standard output, and does not
	path, err := told.ReadString('\n')
	if err != nil {
		b.Fatalf("%q, %v", path, err)
	}
	key := make([]byte, keySize)
	if _, err := io.ReadFull(told, key); err != nil {
		b.Fatal(err)
	}
	connect := func() (*os.File, error) {
		f := (&world{t: b, path: strings.TrimSpace(path)}).dial()
		return f, answerChallenge(f, key)
	}
	f, err := connect()
	if err != nil {
		b.Fatal(err)
	}
	reply, err := ask(f, `[null, "create", ["rootwrap"], {}]`)
	if err != nil {
		b.Fatal(err)
	}
	object := strings.SplitN(reply, `"`, 5)[3] // ["#RETURN", ["ID", [...]]]
	var conns []*os.File
	for range callers {
		f, err := connect()
		if err == nil {
			_, err = ask(f, `[null, "accept_connection", ["t"], {}]`)
		}
		if err != nil {
			b.Fatal(err)
		}
		conns = append(conns, f)
	}
	var group sync.WaitGroup
	counts := make([]int, callers)
	begin := time.Now()
	end := begin.Add(1500 * time.Millisecond)
	for i, f := range conns {
		group.Go(func() {
			for time.Now().Before(end) {
				if reply, err := ask(f, `["`+object+`", "run_one_command", [["true"], null], {}]`); err != nil || reply != `["#RETURN", [0, "", ""]]` {
					b.Errorf("%s, %v", reply, err)
					return
				}
				counts[i]++
			}
		})
	}
	group.Wait()
	took := time.Since(begin)
	if _, err := ask(conns[0], `["`+object+`", "shutdown", [], {}]`); err != nil {
		b.Error(err)
	}
	for _, f := range conns {
		f.Close()
	}
	stdin.Close()
	_ = cmd.Wait() // Python's daemon may end by the signal that it sends itself
	total := 0
	for _, n := range counts {
		total += n
	}
	return float64(total) / took.Seconds()
}
