package lab

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/privhelper/privhelper/bench/internal/turn"
)

// ready is how many workers wait for a client.
const ready = 4

// Serve starts the service, once, and returns when its socket is there.
func (l *Lab) Serve() error {
	if l.service != nil {
		return nil
	}
	socket := l.Path("service.sock")
	s := exec.Command(l.Path("privhelper"), "serve", "--config", l.Path("small.conf"), "--listen", socket)
	var stderr strings.Builder
	s.Stderr = &stderr
	if err := s.Start(); err != nil {
		return err
	}
	l.service = s
	for range 500 {
		if _, err := os.Stat(socket); err == nil {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("the service does not listen: %s", stderr.String())
}

// settleTime bounds the wait for workers to come and to go.
const settleTime = 20 * time.Second

// ServiceMemory is what a process of the service holds (PSS) in MB, the mean over the master and all workers, when it has so many
// clients. It waits until workers of earlier clients are gone.
func (l *Lab) ServiceMemory(clients int) (float64, error) {
	master := l.service.Process.Pid
	for deadline := time.Now().Add(settleTime); ; time.Sleep(10 * time.Millisecond) {
		workers, err := turn.Children(master)
		if err != nil {
			return 0, err
		}
		if len(workers) == clients+ready {
			return mean(append(workers, master))
		}
		if time.Now().After(deadline) {
			return 0, fmt.Errorf("the service has %d workers for %d clients", len(workers), clients)
		}
	}
}

func mean(pids []int) (mb float64, err error) {
	for _, pid := range pids {
		pss, err := Memory(pid, "Pss")
		if err != nil {
			return 0, err
		}
		mb += pss
	}
	return mb / float64(len(pids)), nil
}

// Memory is a field of smaps_rollup of a process, in MB.
func Memory(pid int, what string) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		var kib float64
		if n, _ := fmt.Sscanf(line, what+": %f kB", &kib); n == 1 {
			return kib * 1024 / 1e6, nil
		}
	}
	return 0, fmt.Errorf("process %d does not say its %s", pid, what)
}
