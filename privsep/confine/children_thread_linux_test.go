package confine

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
)

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

// order is what childThread does: it applies Spec to the process, unless Raw, and Thread to one thread, and starts
// Command from there.
type order struct {
	Raw    bool
	Spec   Spec
	Thread ThreadSpec
	UID    uint32
	// NoGroups leaves the groups of the command alone, for a child that may not set them.
	NoGroups bool
	Ambient  []uintptr
	Env      []string
	Command  []string
}

// threadReport is what childThread saw.
type threadReport struct {
	Error        string // of ConfineThread
	Thread, Main lines
	Others       []lines // of the other threads, new ones among them
	Output       string  // of the command
	CommandError string
}

func childThread(args []string) error {
	var o order
	if err := json.Unmarshal([]byte(args[0]), &o); err != nil {
		return err
	}
	if !o.Raw {
		if err := Apply(o.Spec); err != nil {
			return err
		}
	}
	var r threadReport
	if err := onThrowawayThread(func() error { return o.carryOut(&r) }); err != nil {
		return err
	}
	// Once the thread has ended all others are as they were.
	for _, err := os.Stat("/proc/self/task/" + r.Thread["Pid"]); err == nil; {
		_, err = os.Stat("/proc/self/task/" + r.Thread["Pid"])
	}
	if !o.Raw {
		if err := Verify(o.Spec); err != nil {
			return err
		}
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
	// What Go starts now must not come from the confined thread.
	stop, err := occupy()
	if err != nil {
		return err
	}
	defer stop()
	var others report
	if err := others.look(); err != nil {
		return err
	}
	r.Others = slices.DeleteFunc(others.Threads, func(l lines) bool { return l["Pid"] == r.Thread["Pid"] })
	self, err := ReadStatus(0, 0)
	if err != nil {
		return err
	}
	cmd := exec.Command(o.Command[0], o.Command[1:]...)
	cmd.Env = append(os.Environ(), o.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: o.UID, Gid: o.UID, NoSetGroups: self.SetgroupsDenied || o.NoGroups},
		AmbientCaps: o.Ambient,
		Pdeathsig:   syscall.SIGKILL,
	}
	out, err := cmd.Output()
	r.Output, r.CommandError = string(out), message(err)
	return nil
}
