package service

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A notifier tells systemd how the service is: sd_notify(3). Without NOTIFY_SOCKET it tells nobody.
type notifier struct {
	address  string
	watchdog time.Duration // how often systemd wants to hear of us; 0: it does not
}

// newNotifier reads what systemd says in the environment, before that is cleared.
func newNotifier() notifier {
	n := notifier{address: os.Getenv("NOTIFY_SOCKET")}
	if pid := os.Getenv("WATCHDOG_PID"); pid == "" || pid == strconv.Itoa(os.Getpid()) {
		if us, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64); err == nil && us > 0 {
			n.watchdog = time.Duration(us) * time.Microsecond
		}
	}
	return n
}

// tell sends one datagram of lines. Nobody waits for an answer, and systemd's going away is no trouble of ours.
func (n notifier) tell(lines ...string) {
	if n.address == "" {
		return
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	_ = unix.Sendto(fd, []byte(strings.Join(lines, "\n")), unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, &unix.SockaddrUnix{Name: n.address})
}

// reloading is what Type=notify-reload wants to know first, with the time on CLOCK_MONOTONIC.
func (n notifier) reloading() {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) == nil {
		n.tell("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/1000))
	}
}
