package confine

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep"
)

func children() testenv.Children {
	return testenv.Children{
		"apply":  childApply,
		"become": childBecome,
		"differ": childDiffer,
		"thread": childThread,
		"setuid": childSetuid,
		"regain": childRegain,
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

// childSetuid changes its own uid, as a command that drops privileges itself does, and prints what is left.
func childSetuid([]string) error {
	if err := unix.Setresuid(testenv.Nobody, testenv.Nobody, testenv.Nobody); err != nil {
		return err
	}
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}

// order is what childThread does: it applies Spec to the process and Thread to one thread, and starts Command from there.
type order struct {
	Spec    Spec
	Thread  ThreadSpec
	UID     uint32
	Ambient []uintptr
	Env     []string
	Command []string
}

// threadReport is what childThread saw.
type threadReport struct {
	Error        string // of ConfineThread
	Thread, Main lines
	Output       string // of the command
	CommandError string
}

func childThread(args []string) error {
	var o order
	if err := json.Unmarshal([]byte(args[0]), &o); err != nil {
		return err
	}
	if err := Apply(o.Spec); err != nil {
		return err
	}
	var r threadReport
	if err := onThrowawayThread(func() error { return o.carryOut(&r) }); err != nil {
		return err
	}
	// Once the thread has ended all others are as they were.
	for _, err := os.Stat("/proc/self/task/" + r.Thread["Pid"]); err == nil; {
		_, err = os.Stat("/proc/self/task/" + r.Thread["Pid"])
	}
	if err := Verify(o.Spec); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

func (o order) carryOut(r *threadReport) (err error) {
	r.Error = message(ConfineThread(o.Thread))
	if r.Thread, err = readLines(fmt.Sprintf("/proc/self/task/%d/status", unix.Gettid())); err != nil {
		return err
	}
	if r.Main, err = readLines("/proc/self/status"); err != nil {
		return err
	}
	self, err := ReadStatus(0, 0)
	if err != nil {
		return err
	}
	cmd := exec.Command(o.Command[0], o.Command[1:]...)
	cmd.Env = append(os.Environ(), o.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: o.UID, Gid: o.UID, NoSetGroups: self.SetgroupsDenied},
		AmbientCaps: o.Ambient,
		Pdeathsig:   syscall.SIGKILL,
	}
	out, err := cmd.Output()
	r.Output, r.CommandError = string(out), message(err)
	return nil
}

// childDiffer applies a Spec, changes one thing of one thread or of the process behind its back, and prints what Verify
// says to that.
func childDiffer(args []string) error {
	keep := privsep.Caps(privsep.CAP_NET_ADMIN, privsep.CAP_SETUID, privsep.CAP_SETGID, privsep.CAP_SETPCAP)
	spec := Spec{Keep: keep, Bounding: keep, Commands: true}
	var change func() error // by one thread
	var asked = spec        // of Verify
	switch args[0] {
	case "nothing":
	case "CapPrm":
		change = func() error { return setThreadCapabilities(keep.Without(privsep.CAP_NET_ADMIN)) }
	case "CapEff":
		change = func() error { return setThreadSets(keep, keep.Without(privsep.CAP_NET_ADMIN), 0) }
	case "CapBnd":
		change = func() error { return unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(privsep.CAP_NET_ADMIN), 0, 0, 0) }
	case "CapInh":
		change = func() error { return setThreadSets(keep, keep, netAdmin) }
	case "NoNewPrivs":
		asked.NoNewPrivs = true
	case "Uid":
		change = func() error { return rawCall(unix.SYS_SETRESUID, 65534, 65534, 0) }
	case "Gid":
		change = func() error { return rawCall(unix.SYS_SETRESGID, 0, 65534, 0) }
	case "Groups":
		change = func() error {
			gids := []uint32{7}
			return rawCall(unix.SYS_SETGROUPS, 1, uintptr(unsafe.Pointer(&gids[0])), 0)
		}
	case "more is kept than asked for":
		asked.Keep, asked.Bounding = 0, 0
	case "securebits":
		asked.Commands = false
	}
	if err := Apply(spec); err != nil {
		return err
	}
	if change == nil {
		fmt.Println(message(Verify(asked)))
		return nil
	}
	// The changed thread lives while another one verifies.
	return onThrowawayThread(func() error {
		if err := change(); err != nil {
			return err
		}
		verified := make(chan error)
		go func() { verified <- Verify(asked) }()
		fmt.Printf("%d %s\n", unix.Gettid(), message(<-verified))
		return nil
	})
}

func setThreadSets(permitted, effective, inheritable privsep.Capabilities) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{
		{Permitted: uint32(permitted), Effective: uint32(effective), Inheritable: uint32(inheritable)},
		{Permitted: uint32(permitted >> 32), Effective: uint32(effective >> 32), Inheritable: uint32(inheritable >> 32)},
	}
	return unix.Capset(&header, &data[0])
}

// childRegain leaves a way back open that no line of a status shows as wrong, or settles the process otherwise, and
// prints what Verify says to that.
func childRegain(args []string) error {
	if args[0] == "saved uid" {
		// The uid stays as it is, root among the four, and the capabilities go.
		if err := syscall.Setresuid(testenv.Nobody, testenv.Nobody, 0); err != nil {
			return err
		}
	}
	if err := Apply(Spec{}); err != nil {
		return err
	}
	switch args[0] {
	case "dumpable":
		if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
			return err
		}
	case "umask":
		unix.Umask(0o022)
	case "directory":
		if err := os.Chdir("/proc"); err != nil {
			return err
		}
	}
	fmt.Println(message(Verify(Spec{})))
	return nil
}
