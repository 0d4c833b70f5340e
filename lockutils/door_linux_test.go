package lockutils

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// On a network file system flock(2) and record locks are one at the server, and a description that took both would wait
// for itself. There, one is taken: flock(1) finds the file free here, where they are two.
func TestNetworkTakesOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	for _, network := range []bool{false, true} {
		g, err := openBoth(path, 0, false, network)
		if err != nil {
			t.Fatal(err)
		}
		if err := g.wait(false); err != nil {
			t.Fatal(err)
		}
		free := exec.Command("flock", "-n", path, "true").Run() == nil
		if free != network {
			t.Errorf("network=%v: flock(1) found the file free: %v", network, free)
		}
		other, err := openBoth(path, 0, false, network)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := other.try(false); got || err != nil {
			t.Errorf("network=%v: two hold it: %v", network, err)
		}
		for _, g := range []grip{other, g} {
			if err := g.release(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, path := range []string{"/proc", t.TempDir()} {
		if network, err := onNetwork(path); network || err != nil {
			t.Errorf("%s is on a network: %v, %v", path, network, err)
		}
	}
}

const locksTable = `1: FLOCK  ADVISORY  WRITE 4711 08:01:131090 0 EOF
1: -> FLOCK  ADVISORY  WRITE 4712 08:01:131090 0 EOF
2: OFDLCK ADVISORY  WRITE -1 08:01:131090 0 EOF
3: OFDLCK ADVISORY  READ  -1 00:1f:7 0 EOF
4: POSIX  ADVISORY  WRITE 815 fd:00:99 0 EOF
5: LEASE  ACTIVE    WRITE 1 08:01:5 0 EOF
`

func TestLockOwner(t *testing.T) {
	for _, c := range []struct {
		dev, ino uint64
		pid      int
		locked   bool
	}{
		{0x801, 131090, 4711, true},
		{0x1f, 7, 0, true},
		{0xfd00, 99, 815, true},
		{0x801, 13109, 0, false},
		{0x801, 5, 0, false},
	} {
		if pid, locked := lockOwner(locksTable, c.dev, c.ino); pid != c.pid || locked != c.locked {
			t.Errorf("%x:%d: %d, %v", c.dev, c.ino, pid, locked)
		}
	}
}

func FuzzProc(f *testing.F) {
	f.Add(locksTable)
	f.Add("1 (a) b) S 0 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 12345 0")
	f.Fuzz(func(t *testing.T, text string) {
		if pid, locked := lockOwner(text, 0x801, 131090); pid < 0 || pid > 0 && !locked {
			t.Errorf("%d, %v", pid, locked)
		}
		startOf(text)
	})
}

// A command line goes into errors and logs: no control character of it does.
func TestCommandOf(t *testing.T) {
	cmd := exec.Command("sh", "-c", "read line", "new\nline\x1b[2J"+strings.Repeat("long", 100))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		in.Close()
		_ = cmd.Wait()
	}()
	h := process(cmd.Process.Pid)
	for end := time.Now().Add(5 * time.Second); h != nil && h.Command == "" && time.Now().Before(end); { // it is being executed
		h = process(cmd.Process.Pid)
	}
	if h == nil || !strings.HasPrefix(h.Command, "sh -c read line new?line?[2J") || len(h.Command) > 120 {
		t.Errorf("%+v", h)
	}
	if age := time.Since(h.Started); age < -time.Second || age > time.Minute {
		t.Errorf("started %v ago", age)
	}
	if process(os.Getpid()) == nil || process(0) != nil || process(1<<30) != nil {
		t.Error("who lives and who does not")
	}
}
