package lockutils

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"
)

// Who waits in the kernel has a lock before anybody who polls finds it free: an oslo service against four processes that
// locked in a loop waited six seconds. So polite Sets make pauses, together: the gate is a byte of the side file, which
// each passes with a shared lock, and which the one that makes the pause holds alone while it lasts. Those who are past
// the gate are served still.
const (
	gate      = 1 << 62 // no ticket's number comes near
	hotFor    = time.Second
	pauseTime = 120 * time.Millisecond // oslo and fasteners poll every 10 to 100 ms
)

// heat is how long a lock has been wanted without a pause: in the side file, after the tickets' number, when that began,
// and when the lock was last given back, in nanoseconds since the machine started. Holders write it; where several share
// a lock any of theirs will do. The nil heat is of a Set that is not polite.
type heat struct {
	side
	since int64
}

// letPollersIn waits while the gate is closed.
func (s *Set) letPollersIn(ctx context.Context, c *claim, try bool) error {
	side, err := openSide(c.path, s.Mode)
	if err != nil {
		return err
	}
	c.heat = &heat{side: side}
	if try {
		err = side.record(unix.F_RDLCK, gate, 1)
	} else {
		err = s.lockByte(ctx, side, unix.F_RDLCK, gate)
	}
	switch {
	case err == nil:
		return side.record(unix.F_UNLCK, gate, 1)
	case taken(err):
		return s.refusal(c, ErrBusy)
	case ctx.Err() != nil:
		return s.refusal(c, err)
	}
	return fmt.Errorf("polite lock: %w", err)
}

// granted is called with the lock held.
func (h *heat) granted() error {
	if h == nil {
		return nil
	}
	var data [16]byte
	if _, err := h.ReadAt(data[:], 8); err != nil && err != io.EOF {
		return fmt.Errorf("polite lock: %w", err)
	}
	since := int64(binary.LittleEndian.Uint64(data[:]))
	freed := int64(binary.LittleEndian.Uint64(data[8:]))
	now, err := sinceBoot()
	if err != nil {
		return err
	}
	if h.since = since; now-freed >= int64(pauseTime) || freed > now || since > now {
		h.since = now // it was free long enough, or the machine was started again
	}
	return nil
}

// released is called before the lock is given back, and begins a pause when it is time for one.
func (h *heat) released() error {
	if h == nil {
		return nil
	}
	now, err := sinceBoot()
	if err != nil {
		return errors.Join(err, h.Close())
	}
	pause := false
	if now-h.since >= int64(hotFor) {
		err = h.record(unix.F_WRLCK, gate, 1)
		if pause = err == nil; pause {
			h.since = now + int64(pauseTime)
		} else if !taken(err) { // else somebody passes the gate in this moment: the next holder makes the pause
			return errors.Join(err, h.Close())
		}
	}
	var data [16]byte
	binary.LittleEndian.PutUint64(data[:], uint64(h.since))
	binary.LittleEndian.PutUint64(data[8:], uint64(now))
	if _, err := h.WriteAt(data[:], 8); err != nil || !pause {
		return errors.Join(err, h.Close())
	}
	// Nobody hears of an error then, and closing opens the gate whatever it returns.
	time.AfterFunc(pauseTime, func() { _ = h.Close() })
	return nil
}

// close is for a claim that got no lock.
func (h *heat) close() error {
	if h == nil {
		return nil
	}
	return h.Close()
}

// sinceBoot is a clock that all processes share and nobody sets.
func sinceBoot() (int64, error) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 0, err
	}
	return now.Nano(), nil
}
