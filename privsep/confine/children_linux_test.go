package confine

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
)

func children() testenv.Children {
	return testenv.Children{
		"apply":   childApply,
		"become":  childBecome,
		"differ":  childDiffer,
		"thread":  childThread,
		"sandbox": childSandbox,
		"setuid":  childSetuid,
		"regain":  childRegain,
	}
}

// lines are the lines of a /proc status as they stand there, read without the code under test.
type lines map[string]string

func readLines(path string) (lines, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseLines(text), nil
}

func parseLines(text []byte) lines {
	l := lines{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(line, ":")
		l[key] = strings.Join(strings.Fields(value), " ")
	}
	return l
}

// report is what a confined child saw of itself.
type report struct {
	Error, Verify string // of Apply or Become, and of Verify; empty for nil
	Before        lines
	Threads       []lines
	Command       lines // of a command that was started afterwards
	CommandError  string
	Dumpable      int
	Securebits    int
	Core          [2]uint64
	Dir           string
}

func (r *report) look() error {
	paths, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil {
		return err
	}
	for _, path := range paths {
		l, err := readLines(path)
		if os.IsNotExist(err) || err != nil && strings.Contains(err.Error(), "no such process") {
			continue // a thread that ended
		}
		if err != nil {
			return err
		}
		r.Threads = append(r.Threads, l)
	}
	if r.Dumpable, err = unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return err
	}
	if r.Securebits, err = unix.PrctlRetInt(unix.PR_GET_SECUREBITS, 0, 0, 0, 0); err != nil {
		return err
	}
	var core unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil {
		return err
	}
	r.Core = [2]uint64{core.Cur, core.Max}
	if r.Dir, err = unix.Getwd(); err != nil {
		return err
	}
	text, err := exec.Command("/bin/cat", "/proc/self/status").Output()
	r.Command, r.CommandError = parseLines(text), message(err)
	return nil
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// occupy keeps many threads busy while privileges change: some that compute, some that wait in the kernel, and some that
// come and go. It returns when all of them run; stop ends them.
func occupy() (stop func(), err error) {
	const spinning, waiting = 3, 12
	var ready, done sync.WaitGroup
	var stopped atomic.Bool
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	ready.Add(spinning + waiting)
	done.Add(spinning + waiting + 1)
	for range spinning {
		go func() {
			defer done.Done()
			runtime.LockOSThread()
			ready.Done()
			for !stopped.Load() {
			}
		}()
	}
	fd := int(r.Fd()) // blocking from here on
	for range waiting {
		go func() {
			defer done.Done()
			runtime.LockOSThread()
			ready.Done()
			for {
				n, err := unix.Read(fd, make([]byte, 1))
				if n == 0 || err != nil && err != unix.EINTR {
					return
				}
			}
		}()
	}
	go func() {
		defer done.Done()
		for !stopped.Load() {
			ended := make(chan bool)
			go func() {
				runtime.LockOSThread() // not unlocked: the thread ends here
				close(ended)
			}()
			<-ended
		}
	}()
	ready.Wait()
	return func() {
		stopped.Store(true)
		w.Close()
		done.Wait()
		r.Close()
	}, nil
}

// childApply applies and verifies args[0], a Spec, among busy threads, and prints a report.
func childApply(args []string) error {
	var spec Spec
	if err := json.Unmarshal([]byte(args[0]), &spec); err != nil {
		return err
	}
	return confined(func(r *report) {
		r.Error = message(Apply(spec))
		r.Verify = message(Verify(spec))
	})
}

func childBecome(args []string) error {
	var user User
	if err := json.Unmarshal([]byte(args[0]), &user); err != nil {
		return err
	}
	return confined(func(r *report) { r.Error = message(Become(user)) })
}

func confined(change func(*report)) error {
	stop, err := occupy()
	if err != nil {
		return err
	}
	defer stop()
	var r report
	if r.Before, err = readLines("/proc/self/status"); err != nil {
		return err
	}
	change(&r)
	if err := r.look(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}
