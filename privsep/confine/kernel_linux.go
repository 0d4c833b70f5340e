package confine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/privsep"
)

// threads reads the status of every thread of this process, the main thread first. A thread that ends meanwhile is left
// out; one that is started meanwhile has the attributes of the thread that started it.
func threads() ([]Status, error) {
	main, err := ReadStatus(0, 0)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil, fmt.Errorf("list threads: %w", err)
	}
	all := []Status{main}
	for _, entry := range entries {
		tid, err := strconv.Atoi(entry.Name())
		if err != nil || tid == main.TID {
			continue
		}
		status, err := ReadStatus(0, tid)
		// The file is found and its thread ends before the read: that is ESRCH.
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, status)
	}
	return all, nil
}

// readProc reads a file of /proc in four system calls, where os.ReadFile takes nine: a start reads forty.
func readProc(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	text := make([]byte, 0, 4096)
	for {
		n, err := unix.Read(fd, text[len(text):cap(text)])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, &fs.PathError{Op: "read", Path: path, Err: err}
		}
		if n == 0 {
			return text, nil
		}
		if text = text[:len(text)+n]; len(text) == cap(text) { // as many groups as a line can name
			text = append(text, 0)[:len(text)]
		}
	}
}

// onThrowawayThread runs f on a thread that ends with it, so that whatever f did to the thread ends too. The main
// thread does not end with its goroutine, the runtime parks it: it is held while another thread is taken.
func onThrowawayThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked where f ran: the runtime ends the thread with the goroutine
		if unix.Gettid() == unix.Getpid() {
			err := onThrowawayThread(f)
			runtime.UnlockOSThread()
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

// inBoundingSet asks about one capability; known is false above the last one that the kernel has.
func inBoundingSet(c privsep.Capability) (in, known bool, err error) {
	n, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0)
	if errors.Is(err, unix.EINVAL) {
		return false, false, nil
	}
	return n == 1, err == nil, err
}

func getSecurebits() (int, error) {
	n, err := unix.PrctlRetInt(unix.PR_GET_SECUREBITS, 0, 0, 0, 0)
	if err != nil {
		return 0, fmt.Errorf("read securebits: %w", err)
	}
	return n, nil
}

// setThreadCapabilities makes set the permitted and effective set of the calling thread, and of no other.
func setThreadCapabilities(set privsep.Capabilities) error { return setThreadSets(set, set, 0) }

// setThreadSets is capset(2) for the calling thread alone.
func setThreadSets(permitted, effective, inheritable privsep.Capabilities) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{
		{Permitted: uint32(permitted), Effective: uint32(effective), Inheritable: uint32(inheritable)},
		{Permitted: uint32(permitted >> 32), Effective: uint32(effective >> 32), Inheritable: uint32(inheritable >> 32)},
	}
	return unix.Capset(&header, &data[0])
}

// rawCall is a system call of the calling thread alone. The wrappers of x/sys change ids in all threads, and one thread
// that answers differently ends the process.
func rawCall(number, a, b, c uintptr) error {
	if _, _, errno := unix.RawSyscall(number, a, b, c); errno != 0 {
		return errno
	}
	return nil
}
