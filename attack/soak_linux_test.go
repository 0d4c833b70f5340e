package attack

import (
	"context"
	"encoding/csv"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep/client"
)

// A soak is random work with random kills, on a service and on a daemon that live through all of it.
type soak struct {
	*world
	service *server
	daemon  *client.Client
}

// TestSoak does random work in rounds. After each, when everything that came of it has ended, what the service, the daemon
// and this process hold must be what they held after the first; memory too must have come to rest by half of -soak. With
// -samples it writes a row a round (make soak draws them).
func TestSoak(t *testing.T) {
	testenv.NeedRoot(t)
	w := newWorld(t)
	w.policy("clients=nobody\nservice_ready=2\nlock_path=@W@/locks\n", "true: CommandFilter, true, root\nsleep: CommandFilter, sleep, root\n"+leavesRule)
	w.must(os.Mkdir(w.text("@W@/locks"), 0o755))
	w.file("@W@/bin/tool", "#!/bin/sh\n(setsid sleep 0.02 &)\n") // with the last of them the lock is free
	mode("@W@/bin/tool", 0o755)(w)
	s := &soak{world: w, service: w.serve()}
	var err error
	s.daemon, err = w.start(t.Context(), "")
	w.must(err)
	defer s.daemon.Close()

	rows := csv.NewWriter(io.Discard)
	if *samples != "" {
		f, err := os.Create(*samples)
		w.must(err)
		defer f.Close()
		rows = csv.NewWriter(f)
	}
	w.must(rows.Write(append([]string{"seconds", "actions"}, columns...)))
	var first, middle, last map[string]int
	begun := time.Now()
	for round := 0; round < 3 || time.Since(begun) < *soaked; round++ {
		s.work(uint64(round))
		s.quiet(first)
		last = s.holds()
		if round == 0 {
			first = last
		}
		if time.Since(begun) <= *soaked/2 {
			middle = last
		}
		row := []string{strconv.Itoa(int(time.Since(begun).Seconds())), strconv.Itoa((round + 1) * actions)}
		for _, c := range columns {
			row = append(row, strconv.Itoa(last[c]))
		}
		w.must(rows.Write(row))
		rows.Flush()
	}
	for _, c := range columns {
		switch {
		case loose(c) && *soaked >= time.Minute && last[c] > middle[c]*5/4:
			t.Errorf("%s: %d at half time, %d in the end", c, middle[c], last[c])
		case !loose(c) && last[c] > first[c]:
			t.Errorf("%s: %d in the beginning, %d in the end", c, first[c], last[c])
		}
	}
}

// actions are how many there are in a round, by actors at a time.
const actions, actors = 48, 6

func (s *soak) work(seed uint64) {
	var all sync.WaitGroup
	for actor := range actors {
		all.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(actor)))
			for range actions / actors {
				ways[random.IntN(len(ways))](s, random)
			}
		})
	}
	all.Wait()
}

// ways are what an actor does. Their own errors are of no interest: somebody else may have killed what they use.
var ways = []func(s *soak, random *rand.Rand){
	func(s *soak, _ *rand.Rand) { _ = s.daemon.Command("true").Run() },
	func(s *soak, _ *rand.Rand) { _ = s.daemon.Command("tool").Run() },
	func(s *soak, _ *rand.Rand) { _ = s.daemon.Command("no-such-thing").Run() },
	func(s *soak, random *rand.Rand) {
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Duration(random.IntN(20))*time.Millisecond)
		defer cancel()
		_ = s.daemon.CommandContext(ctx, "sleep", "1000").Run()
	},
	func(s *soak, _ *rand.Rand) {
		c, err := client.Dial(s.t.Context(), s.service.path)
		if err == nil {
			_ = c.Command("true").Run()
			c.Close()
		}
	},
	func(s *soak, random *rand.Rand) { // a client of the service that sends nonsense, and goes
		nonsense := make([]byte, random.IntN(100))
		for i := range nonsense {
			nonsense[i] = byte(random.Uint32())
		}
		c := s.service.dial(s.world)
		_, _ = c.Write(nonsense)
		c.Close()
	},
	func(s *soak, random *rand.Rand) { // a helper of the service is killed under its client
		c, err := client.Dial(s.t.Context(), s.service.path)
		if err != nil {
			return
		}
		defer c.Close()
		cmd := c.Command("sleep", "1000")
		if cmd.Start() == nil {
			time.Sleep(time.Duration(random.IntN(5)) * time.Millisecond)
			if p, err := os.FindProcess(c.Helper().PID); err == nil {
				_ = p.Kill()
			}
			_ = cmd.Wait()
		}
	},
	func(s *soak, random *rand.Rand) { // a client with a daemon of its own is killed
		cmd := exec.Command(bin("caller"), bin("privhelper"), "daemon", "--config", s.config)
		if cmd.Start() == nil {
			time.Sleep(time.Duration(random.IntN(40)) * time.Millisecond)
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	},
}

// columns are what is counted.
var columns = []string{"service descriptors", "service threads", "service children", "service KiB", "daemon descriptors", "daemon children", "daemon KiB",
	"goroutines here", "descriptors here", "lock files", "daemon cgroups"}

// loose reports whether a count is the Go runtime's to raise: it keeps memory and threads for later.
func loose(column string) bool {
	return strings.HasSuffix(column, "KiB") || strings.HasSuffix(column, "threads")
}

// holds counts.
func (s *soak) holds() map[string]int {
	master, helper := s.service.cmd.Process.Pid, s.daemon.Helper().PID
	return map[string]int{
		"service descriptors": s.entries(proc(master, "fd")), "service threads": s.entries(proc(master, "task")), "service children": s.children(master),
		"service KiB": s.status(master, "VmRSS"), "daemon descriptors": s.entries(proc(helper, "fd")), "daemon children": s.children(helper), "daemon KiB": s.status(helper, "VmRSS"),
		"goroutines here": runtime.NumGoroutine(), "descriptors here": s.entries("/proc/self/fd"), "lock files": s.entries(s.text("@W@/locks")), "daemon cgroups": s.cgroups(),
	}
}

// quiet waits until what is counted is no more than it was before; what never becomes so is in the next count. A killed
// helper's cgroup is swept by the next that starts, so one does.
func (s *soak) quiet(before map[string]int) {
	s.t.Helper()
	c, err := s.start(s.t.Context(), "")
	s.must(err)
	c.Close()
	s.must(s.daemon.Command("true").Run())
	testenv.WaitGoroutine(s.t, "client.(*session).receive(") // who receives where no call waits
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		now := s.holds()
		if before == nil && now["service children"] <= 2 || before != nil && !slices.ContainsFunc(columns, func(c string) bool { return !loose(c) && now[c] > before[c] }) {
			return
		}
	}
}

func (s *soak) entries(dir string) int {
	list, err := os.ReadDir(dir)
	s.must(err)
	return len(list)
}

// children are the processes that a process has started.
func (s *soak) children(pid int) (n int) {
	tasks, err := os.ReadDir(proc(pid, "task"))
	s.must(err)
	for _, task := range tasks {
		text, _ := os.ReadFile(proc(pid, "task/"+task.Name()+"/children")) // of a thread that has just ended
		n += len(strings.Fields(string(text)))
	}
	return n
}

func (s *soak) status(pid int, key string) int {
	_, rest, _ := strings.Cut(s.read(proc(pid, "status")), "\n"+key+":")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	s.must(err)
	return n
}

// spares are the empty folders that a daemon keeps for commands to come, at most (internal/spawn).
const spares = 8

// cgroups are the folders that the daemon has for commands, beside those.
func (s *soak) cgroups() int {
	own := s.read(proc(s.daemon.Helper().PID, "cgroup"))
	_, path, _ := strings.Cut("\n"+own, "\n0::")
	path, _, _ = strings.Cut(path, "\n")
	found, err := filepath.Glob(filepath.Join(s.cgroup2(), path, "privhelper."+strconv.Itoa(s.daemon.Helper().PID)+".*", "*", "cgroup.procs"))
	s.must(err)
	return max(0, len(found)-spares)
}
