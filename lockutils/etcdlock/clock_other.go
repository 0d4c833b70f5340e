//go:build !linux

package etcdlock

import (
	"os"
	"time"
)

var started = time.Now()

// now is the time since the process started. Whether it counts while the machine is suspended is the system's choice.
func now() time.Duration { return time.Since(started) }

// alarm wakes one goroutine at a time of now.
type alarm struct{ closed chan struct{} }

func newAlarm() (*alarm, error) { return &alarm{make(chan struct{})}, nil }

// wait returns when it is at, or the alarm is closed, which is an error.
func (a *alarm) wait(at time.Duration) error {
	select {
	case <-time.After(at - now()):
		return nil
	case <-a.closed:
		return os.ErrClosed
	}
}

func (a *alarm) close() { close(a.closed) }
