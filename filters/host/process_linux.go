package host

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/filters"
)

// Program follows KillFilter._program of rootwrap: the link's text, without what the kernel adds; where that is no file
// any more the process's own word for its name.
func (m *machine) Program(pid int64) (string, error) {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return "", err
	}
	path, _, _ = strings.Cut(path, "\x00")
	path = strings.TrimSuffix(path, " (deleted)")
	if regular(path) {
		return path, nil
	}
	f, err := os.Open(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return "", err
	}
	if !utf8.Valid(text) {
		return "", errors.New("its command line is not UTF-8") // Python fails here
	}
	name, _, _ := strings.Cut(string(text), "\x00")
	if found := which(name); regular(found) {
		return found, nil
	}
	return path, nil
}

// which is shutil.which, or the name where that finds nothing.
func which(name string) string {
	if strings.Contains(name, "/") {
		return name
	}
	for dir := range strings.SplitSeq(filters.DefaultPath, ":") {
		path := filepath.Join(dir, name)
		if st, err := os.Stat(path); err == nil && !st.IsDir() && unix.Access(path, unix.X_OK) == nil {
			return path
		}
	}
	return name
}

// process is a pidfd with the pid it was opened for.
type process struct {
	fd  int
	pid int
}

func (m *machine) Process(pid int) (filters.Process, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, err
	}
	return &process{fd, pid}, nil
}

// Runs looks at /proc/PID, and then whether the process is still there: while it is, nobody else can have its pid.
func (p *process) Runs(path string) error {
	dir := fmt.Sprintf("/proc/%d", p.pid)
	link, err := os.Readlink(dir + "/exe")
	if err != nil {
		return err
	}
	var exe unix.Stat_t
	if err := unix.Stat(dir+"/exe", &exe); err != nil {
		return &fs.PathError{Op: "stat", Path: dir + "/exe", Err: err}
	}
	same, err := sameNamespace(dir)
	if err != nil {
		return err
	}
	if err := p.Signal(0); err != nil {
		return err
	}
	var want unix.Stat_t
	if err := unix.Stat(path, &want); err == nil && want.Dev == exe.Dev && want.Ino == exe.Ino {
		return nil
	}
	// A package was upgraded: the file of that name is another one now, and the process keeps the old one.
	if canonical := (&machine{}).RealPath(path); same && link == canonical+" (deleted)" {
		return nil
	}
	return fmt.Errorf("it runs %s", link)
}

// sameNamespace reports whether paths mean the same to a process as to us.
func sameNamespace(dir string) (bool, error) {
	var its, ours unix.Stat_t
	if err := unix.Stat(dir+"/ns/mnt", &its); err != nil {
		return false, &fs.PathError{Op: "stat", Path: dir + "/ns/mnt", Err: err}
	}
	if err := unix.Stat("/proc/self/ns/mnt", &ours); err != nil {
		return false, &fs.PathError{Op: "stat", Path: "/proc/self/ns/mnt", Err: err}
	}
	return its.Dev == ours.Dev && its.Ino == ours.Ino, nil
}

func (p *process) Signal(signal int) error {
	return unix.PidfdSendSignal(p.fd, unix.Signal(signal), nil, 0)
}

func (p *process) Close() error { return unix.Close(p.fd) }
