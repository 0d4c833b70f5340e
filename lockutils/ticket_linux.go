package lockutils

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// ticket is a place in the line of processes before a lock. The line is a file beside the lock's: byte 0 is locked while
// a number is drawn, number n is byte 1+n, locked from then until its owner has the lock or has left. Whoever has n waits
// for a shared lock on all bytes before its own. So nobody polls, and a process that dies leaves the line by that. The
// first eight bytes are, as data, the next number.
type ticket struct {
	side
	number int64
	parked parked
}

// takeTicket joins the line of the lock file at path.
func (s *Set) takeTicket(ctx context.Context, path string) (*ticket, error) {
	for {
		t, err := s.drawTicket(ctx, path)
		if !errors.Is(err, errRemoved) {
			return t, err
		}
	}
}

// drawTicket returns errRemoved where the side file was removed before the number was drawn.
func (s *Set) drawTicket(ctx context.Context, path string) (*ticket, error) {
	side, err := openSide(path, s.Mode)
	if err != nil {
		return nil, err
	}
	t := &ticket{side: side}
	// Drawing takes microseconds; one waits longer for somebody who was stopped in them.
	if err = s.lockByte(ctx, side, unix.F_WRLCK, 0); err == nil {
		err = t.draw()
	}
	if err != nil {
		t.leave()
		return nil, fmt.Errorf("fair lock: %w", err)
	}
	return t, nil
}

var errRemoved = errors.New("removed")

// draw is called with byte 0 locked.
func (t *ticket) draw() error {
	current, err := t.current()
	if err != nil {
		return err
	}
	if !current {
		return errRemoved
	}
	var next [8]byte
	if _, err := t.ReadAt(next[:], 0); err != nil && err != io.EOF {
		return err
	}
	if n := binary.LittleEndian.Uint64(next[:]); n < gate/2 { // else somebody has scribbled on it: order suffers, no more
		t.number = int64(n)
	}
	for {
		err := t.record(unix.F_WRLCK, 1+t.number, 1)
		if err == nil {
			break
		}
		if !taken(err) {
			return err
		}
		t.number++
	}
	binary.LittleEndian.PutUint64(next[:], uint64(t.number)+1)
	if _, err := t.WriteAt(next[:], 0); err != nil {
		return err
	}
	return t.record(unix.F_UNLCK, 0, 1)
}

// first reports whether nobody is before the ticket. Without a ticket nobody is.
func (t *ticket) first() (bool, error) {
	if t == nil || t.number == 0 {
		return true, nil
	}
	err := t.record(unix.F_RDLCK, 1, t.number)
	if taken(err) {
		return false, nil
	}
	return err == nil, err
}

// wait blocks its thread until nobody is before the ticket. It fails once the ticket was given up. It waits for the one
// before it first, who is the last to go if nobody dies: the kernel wakes everybody who waits for a lock, so that a wait
// for all would wake the whole line at each step.
func (t *ticket) wait() error {
	if t.number == 0 {
		return nil
	}
	if err := t.waitRecord(&t.parked, unix.F_RDLCK, t.number, 1); err != nil {
		return err
	}
	return t.waitRecord(&t.parked, unix.F_RDLCK, 1, t.number)
}

// leave gives the ticket up, by name first: a thread that is in wait keeps the description until it has come back.
func (t *ticket) leave() {
	if t == nil {
		return
	}
	// Closing gives up whatever could not be given up by name.
	_ = t.record(unix.F_UNLCK, 0, 0)
	t.parked.recall()
	_ = t.Close()
}
