package confine

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/privhelper/privhelper/privsep"
)

// IDs are the four ids of one kind that a thread has.
type IDs struct {
	Real, Effective, Saved, FS uint32
}

// Status is what /proc says about the privileges of one thread (proc_pid_status(5)).
type Status struct {
	PID, TID int // TID is the thread's own number; PID the process's
	UID, GID IDs
	Groups   []uint32 // supplementary, ascending

	Inheritable, Permitted, Effective, Bounding, Ambient privsep.Capabilities

	NoNewPrivs bool
	Umask      uint32 // 0 also for a process that has ended and was not waited for

	// SetgroupsDenied says that the thread's user namespace lets nobody change supplementary groups
	// (/proc/PID/setgroups): what is in Groups could not be dropped. Such groups mostly show as 65534.
	SetgroupsDenied bool
}

// ReadStatus reads the status of a thread of a process; tid 0 is the process's main thread, pid 0 the calling process.
// A process that is gone is an error that errors.Is finds as fs.ErrNotExist. Numbers are used again: hold what you ask
// about, by its pidfd or as a child that was not waited for.
//
// With hidepid (proc(5)) the status of other users' processes cannot be read without CAP_SYS_PTRACE.
func ReadStatus(pid, tid int) (Status, error) {
	dir := "/proc/self"
	if pid != 0 {
		dir = "/proc/" + strconv.Itoa(pid)
	}
	if tid != 0 {
		dir += "/task/" + strconv.Itoa(tid)
	}
	text, err := readProc(dir + "/status")
	if err != nil {
		return Status{}, fmt.Errorf("read status: %w", err)
	}
	status, err := parseStatus(text)
	if err != nil {
		return Status{}, fmt.Errorf("%s/status: %w", dir, err)
	}
	// A kernel without user namespaces has no such file, and denies nothing.
	setgroups, err := readProc(dir + "/setgroups")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Status{}, fmt.Errorf("read status: %w", err)
	}
	status.SetgroupsDenied = string(bytes.TrimSpace(setgroups)) == "deny"
	return status, nil
}

// parseStatus reads the lines it knows and wants all of them except Umask. The kernel escapes a newline in the process's
// name, so that a program cannot add lines of its own; a line that comes twice is an error all the same.
func parseStatus(text []byte) (Status, error) {
	var s Status
	want := map[string]func(string) error{
		"Tgid":       func(v string) (err error) { s.PID, err = strconv.Atoi(v); return err },
		"Pid":        func(v string) (err error) { s.TID, err = strconv.Atoi(v); return err },
		"Uid":        func(v string) error { return parseIDs(v, &s.UID) },
		"Gid":        func(v string) error { return parseIDs(v, &s.GID) },
		"Groups":     func(v string) (err error) { s.Groups, err = parseIDList(v); return err },
		"CapInh":     func(v string) error { return parseSet(v, &s.Inheritable) },
		"CapPrm":     func(v string) error { return parseSet(v, &s.Permitted) },
		"CapEff":     func(v string) error { return parseSet(v, &s.Effective) },
		"CapBnd":     func(v string) error { return parseSet(v, &s.Bounding) },
		"CapAmb":     func(v string) error { return parseSet(v, &s.Ambient) },
		"NoNewPrivs": func(v string) (err error) { s.NoNewPrivs, err = strconv.ParseBool(v); return err },
		"Umask":      func(v string) error { return parseUmask(v, &s.Umask) },
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		parse, known := want[key]
		if !known {
			continue
		}
		if seen[key] {
			return Status{}, fmt.Errorf("line %s comes twice", key)
		}
		seen[key] = true
		if err := parse(strings.TrimSpace(value)); err != nil {
			return Status{}, fmt.Errorf("line %s: %w", key, err)
		}
	}
	for key := range want {
		if !seen[key] && key != "Umask" {
			return Status{}, fmt.Errorf("no line %s: this needs Linux 4.10 or later", key)
		}
	}
	return s, nil
}

func parseIDs(value string, ids *IDs) error {
	list, err := parseIDList(value)
	if err != nil {
		return err
	}
	if len(list) != 4 {
		return fmt.Errorf("%d ids instead of 4", len(list))
	}
	*ids = IDs{Real: list[0], Effective: list[1], Saved: list[2], FS: list[3]}
	return nil
}

func parseIDList(value string) ([]uint32, error) {
	var list []uint32
	for _, field := range strings.Fields(value) {
		id, err := parseID(field)
		if err != nil {
			return nil, err
		}
		list = append(list, id)
	}
	return list, nil
}

func parseSet(value string, set *privsep.Capabilities) error {
	mask, err := strconv.ParseUint(value, 16, 64)
	*set = privsep.Capabilities(mask)
	return err
}

func parseUmask(value string, umask *uint32) error {
	bits, err := strconv.ParseUint(value, 8, 12)
	*umask = uint32(bits)
	return err
}
