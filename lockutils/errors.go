package lockutils

import (
	"errors"
	"fmt"
	"time"
)

var (
	// ErrNotHeld is what Unlock returns for a lock that was given back before.
	ErrNotHeld = errors.New("lock is not held")

	// ErrBusy is wrapped by the *WaitError of a try that found the lock taken.
	ErrBusy = errors.New("lock is taken")

	// ErrDeadlock is wrapped by a *DeadlockError.
	ErrDeadlock = errors.New("deadlock")

	// ErrNotRegular is wrapped by a *FileError where a lock's path is a link, a FIFO, a device, a socket or a folder.
	ErrNotRegular = errors.New("not a regular file")

	// ErrInUse is wrapped by a *FileError where a lock file was to be removed that somebody has open: holding it, or
	// waiting for it.
	ErrInUse = errors.New("file is in use")

	// ErrNoFolder means that a Set has no Folder and that OSLO_LOCK_PATH is not set.
	ErrNoFolder = errors.New("no folder for lock files: set Set.Folder, or OSLO_LOCK_PATH")

	// ErrLost is the cause (context.Cause) of a Held.Context that ended because the lock was lost. Files lose none.
	ErrLost = errors.New("lock was lost")
)

// WaitError says that a lock was not taken because somebody else has it. errors.Is finds context.DeadlineExceeded or
// context.Canceled where the ctx ended, with the ctx's cause if it has another, and ErrBusy where nobody would wait.
type WaitError struct {
	Name   string
	Path   string // of the lock file; empty for locks without one
	Waited time.Duration
	Holder *Holder // nil where it is not known: after a cancellation, and for peers that hide
	Err    error
}

func (e *WaitError) Error() string {
	text := "lock"
	if e.Name != "" {
		text += fmt.Sprintf(" %q", e.Name)
	}
	if e.Path != "" {
		text += " (" + e.Path + ")"
	}
	if e.Holder != nil {
		text += " is held by " + e.Holder.String()
	}
	if e.Waited > 0 {
		text += fmt.Sprintf("; waited %v", e.Waited.Round(time.Microsecond))
	}
	return text + ": " + e.Err.Error()
}

func (e *WaitError) Unwrap() error { return e.Err }

// Holder is who has a lock.
type Holder struct {
	Host    string // the machine, where it can be another than this one
	Pid     int    // zero where it is not known
	Command string // as in /proc/PID/cmdline, shortened; empty where it may not be read
	// Since is when the lock was taken. It is zero where another process of this machine holds a file: the kernel keeps no
	// time of that.
	Since time.Time
	// Started is when that process started, which is the earliest that it can have taken the lock; else zero.
	Started time.Time
	Here    bool // this process holds it
}

func (h *Holder) String() string {
	text := fmt.Sprintf("pid %d", h.Pid)
	switch {
	case h.Pid == 0:
		text = h.Command
	case h.Command != "":
		text += " (" + h.Command + ")"
	}
	if h.Host != "" {
		text += " on " + h.Host
	}
	if h.Here {
		text += ", this process"
	}
	if !h.Since.IsZero() {
		text += ", since " + h.Since.Format(time.DateTime)
	}
	if !h.Started.IsZero() {
		text += ", a process started " + h.Started.Format(time.DateTime)
	}
	return text
}

// DeadlockError says that waiting for a lock would never have ended: the caller, by its ctx, holds what the lock's
// holder waits for. errors.Is finds ErrDeadlock.
type DeadlockError struct {
	Name string
	// Cycle are names of locks: the one asked for, the one that its holder waits for, and so on; the last is one that the
	// caller holds. A single name is a lock that the caller holds already.
	Cycle []string
}

func (e *DeadlockError) Error() string {
	if len(e.Cycle) == 1 {
		return fmt.Sprintf("lock %q: the ctx given is of a call that holds it already: %v", e.Name, ErrDeadlock)
	}
	text := fmt.Sprintf("lock %q: its holder waits for", e.Name)
	for i, name := range e.Cycle[1:] {
		if i > 0 {
			text += ", whose holder waits for"
		}
		text += fmt.Sprintf(" %q", name)
	}
	return text + ", which this call holds: " + ErrDeadlock.Error()
}

func (e *DeadlockError) Unwrap() error { return ErrDeadlock }

// NameError says why a name can name no lock.
type NameError struct {
	Name   string
	Reason string
}

func (e *NameError) Error() string { return fmt.Sprintf("lock %q: the name %s", e.Name, e.Reason) }

// FileError says why a lock file, or the folder of them, cannot be used. errors.Is finds ErrNotRegular, ErrInUse,
// fs.ErrPermission and the errno.
type FileError struct {
	Path string
	Err  error
}

func (e *FileError) Error() string { return "lock file " + e.Path + ": " + e.Err.Error() }

func (e *FileError) Unwrap() error { return e.Err }

// FolderError says that a folder is not safe for lock files, and what to do about it.
type FolderError struct {
	Path   string
	Reason string
}

func (e *FolderError) Error() string { return "lock folder " + e.Path + " " + e.Reason }
