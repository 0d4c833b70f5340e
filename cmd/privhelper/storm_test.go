//go:build linux

package main_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep/client"
	many "github.com/privhelper/privhelper/privsep/daemon/service"
)

// TestServiceStorm: 200 clients at once, each with a command, while 2,000 connections are dropped at random points and workers are
// killed in the middle of commands. Nobody else fails, and afterwards nothing is left: no process, no cgroup, no descriptor and
// no memory of the master's. PRIVHELPER_STORM=10m goes on for so long (docs/service.md has its figures).
func TestServiceStorm(t *testing.T) {
	testenv.NeedRoot(t)
	long, _ := time.ParseDuration(os.Getenv("PRIVHELPER_STORM"))
	socket := startService(t, shRules+"true: CommandFilter, true, root\n", "service_max_connections=2000\nservice_max_per_user=2000\nservice_max_calls=1000000\n", false)
	control := many.ControlPath(socket)
	s, err := many.Ask(control)
	if err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	st := &storm{t: t, socket: socket, random: rand.New(rand.NewPCG(seed, 0))}
	began := time.Now()
	st.round(200, 200) // what it takes once, it may keep
	before := st.rest(control)
	for rounds := 1; ; rounds++ {
		st.round(200, 2000)
		after := st.rest(control)
		if t.Logf("%v: %d descriptors, %d KiB, %d threads; at first %+v", time.Since(began).Round(time.Second), after.files, after.memory, after.threads, before); t.Failed() || time.Since(began) >= long {
			if after.files > before.files || after.memory > before.memory+8<<10 {
				t.Errorf("before %+v, after %d rounds %+v", before, rounds, after)
			}
			break
		}
	}
	if again, err := many.Ask(control); err != nil || again.PID != s.PID || len(again.Connections) != 0 || again.Waiting != 0 {
		t.Errorf("in the end: %+v, %v", again, err)
	}
	t.Logf("%d clients served, %d connections dropped, %d workers killed in %v", st.served, st.dropped, len(st.killed), time.Since(began).Round(time.Second))
}

type storm struct {
	t      *testing.T
	socket string

	mu              sync.Mutex
	random          *rand.Rand
	served, dropped int
	killed          []int // workers
	orphans         []int // their commands
}

func (s *storm) number(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.random.IntN(n)
}

// round has clients at one time, each of which waits for all to be connected, and drops connections meanwhile.
func (s *storm) round(clients, drops int) {
	var group, connected sync.WaitGroup
	connected.Add(clients)
	for range clients {
		group.Go(func() { s.client(&connected) })
	}
	for range 16 {
		group.Go(func() {
			for range drops / 16 {
				s.drop()
			}
		})
	}
	for range 2 {
		group.Go(func() {
			for range drops / 100 {
				s.kill()
			}
		})
	}
	group.Wait()
}

func (s *storm) dial() (*client.Client, error) {
	return client.Start(context.Background(), client.Config{Launcher: &client.Service{Path: s.socket}, StartTimeout: 2 * time.Minute, Logger: slog.New(slog.DiscardHandler)})
}

// client is one of those that must not fail.
func (s *storm) client(connected *sync.WaitGroup) {
	c, err := s.dial()
	connected.Done()
	if err != nil {
		s.t.Errorf("a client: %v", err)
		return
	}
	defer c.Close()
	worker := c.Helper().PID
	connected.Wait()
	for range 2 {
		if err := c.Command("true").Run(); err != nil {
			s.t.Errorf("a client's command: %v", err)
		}
	}
	if again := c.Helper().PID; again != worker {
		s.t.Errorf("a client had worker %d and has %d", worker, again)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.served++
}

// drop connects and goes at some point: at once, having read some of HELLO, having sent the beginning of a request or nonsense.
func (s *storm) drop() {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		s.t.Error(err)
		return
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: s.socket}); err != nil {
		s.t.Errorf("connect: %v", err)
		return
	}
	request := []byte("\x00\x00\x00\x34\x96\x03\x03\x01\xabcommand.run\x00\x84\xa4argv\x91\xa4true\xff\xff\xff\xff")
	switch how := s.number(4); how {
	case 1:
		_, _ = unix.Read(fd, make([]byte, 1+s.number(200)))
	case 2:
		_, _ = unix.Write(fd, request[:1+s.number(len(request)-1)])
	case 3:
		_, _ = unix.Read(fd, make([]byte, 4096))
		request[s.number(len(request))] ^= byte(1 + s.number(255))
		_, _ = unix.Write(fd, request)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropped++
}

// kill kills the worker of a client of its own, whose command has left its session.
func (s *storm) kill() {
	c, err := s.dial()
	if err != nil {
		s.t.Errorf("a client whose worker is to be killed: %v", err)
		return
	}
	defer c.Close()
	cmd := c.Command("sh", "-c", "setsid sh -c 'echo $$; exec sleep 1000' & wait")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		s.t.Errorf("a command of a worker that is to be killed: %v", err)
		return
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		s.t.Errorf("%q: %v", line, err)
		return
	}
	worker := c.Helper().PID
	if err := syscall.Kill(worker, syscall.SIGKILL); err != nil {
		s.t.Error(err)
	}
	if err := cmd.Wait(); err == nil {
		s.t.Error("a command of a worker that was killed has succeeded")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.killed, s.orphans = append(s.killed, worker), append(s.orphans, pid)
}

// A usage is what the master holds.
type usage struct{ files, memory, threads int }

// rest waits until the service is at rest, with all that was killed gone, and says what its master holds.
func (s *storm) rest(control string) usage {
	s.t.Helper()
	var left string
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		status, err := many.Ask(control)
		if err != nil {
			s.t.Fatal(err)
		}
		if left = s.left(); left == "" && len(status.Connections) == 0 && status.Waiting == 0 && status.Ready == 4 && len(childrenOf(status.PID)) == 4 {
			return usageOf(s.t, status.PID)
		}
		if time.Now().After(end) {
			s.t.Fatalf("it does not come to rest: %d served, %d wait, %d ready, children %v; left: %s", len(status.Connections), status.Waiting, status.Ready, childrenOf(status.PID), left)
		}
	}
}

// left names something of a killed worker.
func (s *storm) left() string {
	for _, pid := range s.orphans {
		if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && string(text) == "sleep\x001000\x00" {
			return fmt.Sprintf("command %d", pid)
		}
	}
	for _, pid := range s.killed {
		if syscall.Kill(pid, 0) == nil { // in a long storm another worker has got the number
			continue
		}
		if found, _ := filepath.Glob(fmt.Sprintf("%s/privhelper.%d.*", ownCgroup(s.t), pid)); len(found) > 0 {
			return found[0]
		}
	}
	return ""
}

// ownCgroup is this process's folder of cgroup2, "" where there is none.
func ownCgroup(t *testing.T) string {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	own, oerr := os.ReadFile("/proc/self/cgroup")
	if err != nil || oerr != nil {
		t.Fatal(err, oerr)
	}
	path := ""
	for line := range strings.Lines(string(own)) {
		if p, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			path = p
		}
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, " - cgroup2 ") {
			return filepath.Join(strings.Fields(line)[4], path)
		}
	}
	return ""
}

func childrenOf(pid int) (all []string) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, task := range tasks {
		text, _ := os.ReadFile(task)
		all = append(all, strings.Fields(string(text))...)
	}
	return all
}

func usageOf(t *testing.T, pid int) (u usage) {
	t.Helper()
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	u.files = len(files)
	for line := range strings.Lines(string(text)) {
		switch f := strings.Fields(line); f[0] {
		case "VmRSS:":
			u.memory, _ = strconv.Atoi(f[1])
		case "Threads:":
			u.threads, _ = strconv.Atoi(f[1])
		}
	}
	return u
}
