package etcdlock

import (
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
)

// suspended is how long the machine has slept, as TestSuspendedTimeCounts makes itself believe.
const suspended = 100000 * time.Second

// Time that the machine was suspended is time in which a lease ends. A machine that has slept is one on which
// CLOCK_BOOTTIME is ahead of CLOCK_MONOTONIC, Go's clock: here by a time namespace (time_namespaces(7)).
func TestSuspendedTimeCounts(t *testing.T) {
	const inside = "PRIVHELPER_TEST_SUSPENDED"
	if os.Getenv(inside) == "" {
		unshare := testenv.NeedProgram(t, "unshare", "util-linux")
		args := []string{"--time", "--boottime", strconv.Itoa(int(suspended / time.Second))}
		if os.Geteuid() != 0 {
			args = append(args, "--user", "--map-root-user")
		}
		if out, err := exec.Command(unshare, append(args, "true")...).CombinedOutput(); err != nil {
			testenv.Miss(t, "needs time namespaces: "+string(out))
		}
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		// unshare(2) puts children into the namespace, and not the caller.
		again := exec.Command(unshare, append(args, "--fork", self, "-test.run=^TestSuspendedTimeCounts$")...)
		again.Env = append(os.Environ(), inside+"=1")
		if out, err := again.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	var awake unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &awake); err != nil {
		t.Fatal(err)
	}
	if slept := now() - time.Duration(awake.Nano()); slept < suspended {
		t.Errorf("now is %v ahead of the time awake, want %v or more", slept, suspended)
	}
	a, err := newAlarm()
	if err != nil {
		t.Fatal(err)
	}
	rang := make(chan error, 1)
	go func() { rang <- a.wait(now() + 10*time.Millisecond) }() // by the time awake, in a day and more
	select {
	case err := <-rang:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("the alarm does not count the time of sleep")
	}
	a.close()

	// A session whose lease has ended while the machine slept is lost in the moment in which somebody looks.
	s := &session{lost: make(chan struct{}), cancel: func() {}, until: time.Duration(awake.Nano()) + suspended/2}
	if s.alarm, err = newAlarm(); err != nil {
		t.Fatal(err)
	}
	s.look()
	select {
	case <-s.lost:
	default:
		t.Error("not lost")
	}
}
