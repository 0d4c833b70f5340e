package etcdlock

import (
	"encoding/binary"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// now is the time since the machine started, of which the time that it was suspended is part (CLOCK_BOOTTIME): the
// cluster does not sleep with it. Go's own clock stands still then.
func now() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic("etcdlock: CLOCK_BOOTTIME, which Linux has since 2.6.39: " + err.Error())
	}
	return time.Duration(t.Nano())
}

// alarm wakes one goroutine at a time of now (timerfd_create(2)).
type alarm struct{ file *os.File }

func newAlarm() (*alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	return &alarm{os.NewFile(uintptr(fd), "timerfd")}, nil
}

// wait returns when it is at, or the alarm is closed, which is an error.
func (a *alarm) wait(at time.Duration) error {
	raw, err := a.file.SyscallConn()
	if err != nil {
		return err
	}
	var setErr error
	err = raw.Control(func(fd uintptr) {
		setErr = unix.TimerfdSettime(int(fd), unix.TFD_TIMER_ABSTIME, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(at))}, nil)
	})
	if err != nil {
		return err
	}
	if setErr != nil {
		return os.NewSyscallError("timerfd_settime", setErr)
	}
	var expirations uint64
	return binary.Read(a.file, binary.NativeEndian, &expirations)
}

func (a *alarm) close() { a.file.Close() }
