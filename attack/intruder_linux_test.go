package attack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep/client"
)

// A seizure is what the intruder was told when it laid hands on one of root's processes.
type seizure struct {
	Target string
	Error  string // "" where it was let
}

// seize are the ways to lay hands on a process, each by a system call or a file below /proc.
var seize = map[string]func(pid int) error{
	"ptrace-attach": func(pid int) error { return unix.PtraceAttach(pid) },
	"ptrace-seize":  func(pid int) error { return unix.PtraceSeize(pid) },
	"memory":        func(pid int) error { return opens(pid, "mem", os.O_RDWR) },
	"memory-read": func(pid int) error {
		b := make([]byte, 8)
		_, err := unix.ProcessVMReadv(pid, []unix.Iovec{{Base: &b[0], Len: 8}}, []unix.RemoteIovec{{Base: 0x400000, Len: 8}}, 0)
		return err
	},
	"descriptor": func(pid int) error {
		pidfd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			return nil // it may not even be asked for
		}
		defer unix.Close(pidfd)
		_, err = unix.PidfdGetfd(pidfd, 0, 0)
		return err
	},
	"descriptors": func(pid int) error { _, err := os.ReadDir(proc(pid, "fd")); return err },
	"limits": func(pid int) error {
		return unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: 3}, nil)
	},
	"stop":        func(pid int) error { return unix.Kill(pid, unix.SIGSTOP) },
	"kill":        func(pid int) error { return unix.Kill(pid, unix.SIGKILL) },
	"reopen-log":  func(pid int) error { return unix.Kill(pid, unix.SIGHUP) },
	"priority":    func(pid int) error { return unix.Setpriority(unix.PRIO_PROCESS, pid, 19) },
	"affinity":    func(pid int) error { return unix.SchedSetaffinity(pid, &unix.CPUSet{1}) },
	"oom":         func(pid int) error { return writes(pid, "oom_score_adj", "1000") },
	"environment": func(pid int) error { return opens(pid, "environ", os.O_RDONLY) },
	"folder":      func(pid int) error { _, err := os.ReadDir(proc(pid, "root")); return err },
	"program":     func(pid int) error { return opens(pid, "exe", os.O_WRONLY) },
	"name":        func(pid int) error { return writes(pid, "comm", "evil") },
	"cgroup":      freeze,
}

func proc(pid int, file string) string { return fmt.Sprintf("/proc/%d/%s", pid, file) }

func opens(pid int, file string, flags int) error {
	f, err := os.OpenFile(proc(pid, file), flags, 0)
	if err == nil {
		f.Close()
	}
	return err
}

func writes(pid int, file, text string) error { return os.WriteFile(proc(pid, file), []byte(text), 0) }

// freeze takes a process out of its cgroup, which would free it of its limits and of its end.
func freeze(pid int) error {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for row := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(row); slices.Contains(fields, "cgroup2") {
			return os.WriteFile(fields[4]+"/cgroup.procs", []byte(strconv.Itoa(pid)), 0)
		}
	}
	return errors.New("no cgroup2")
}

// intruder is a client of a service, as an ordinary user: it has a command of root's run, tries one way on the helper, on
// the service, on the command, and then has the helper run another, which shows that it lives.
func intruder(args []string) error {
	runtime.LockOSThread() // a thread traces
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := client.Dial(ctx, args[0])
	if err != nil {
		return err
	}
	defer c.Close()
	cmd := c.CommandContext(ctx, "sleep", "1000")
	if err := cmd.Start(); err != nil {
		return err
	}
	master, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	var told []seizure
	for target, pid := range map[string]int{"the helper": c.Helper().PID, "the service": master, "the command": cmd.Process.Pid} {
		s := seizure{Target: target}
		if err := seize[args[2]](pid); err != nil {
			s.Error = err.Error()
		}
		told = append(told, s)
	}
	if err := c.CommandContext(ctx, "true").Run(); err != nil {
		return fmt.Errorf("afterwards: %w", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		return fmt.Errorf("the command is gone: %w", err)
	}
	_ = cmd.Wait()
	return json.NewEncoder(os.Stdout).Encode(told)
}

func seizes(name, how string) attack {
	return attack{name, how, 3, nil, func(w *world) {
		w.policy("clients=nobody\nservice_ready=1\n", "sleep: CommandFilter, sleep, root\ntrue: CommandFilter, true, root\n")
		s := w.serve()
		cmd := exec.Command(bin("intruder"), s.path, strconv.Itoa(s.cmd.Process.Pid), name)
		testenv.AsUser(w.t, cmd)
		var told []seizure
		w.must(json.Unmarshal(testenv.Output(w.t, cmd), &told))
		if len(told) != 3 {
			w.t.Errorf("it tried on %v", told)
		}
		for _, s := range told {
			if s.Error == "" {
				w.t.Errorf("let: %s", s.Target)
			}
		}
		if n := w.decisions(); n != 2 {
			w.t.Errorf("%d lines in the log", n)
		}
	}}
}

var intruderAttacks = []attack{
	seizes("ptrace-attach", "PTRACE_ATTACH by the client's user, to helper, service and command"),
	seizes("ptrace-seize", "PTRACE_SEIZE"),
	seizes("memory", "/proc/PID/mem opened for writing"),
	seizes("memory-read", "process_vm_readv"),
	seizes("descriptor", "pidfd_getfd"),
	seizes("descriptors", "/proc/PID/fd"),
	seizes("limits", "prlimit"),
	seizes("stop", "SIGSTOP"),
	seizes("kill", "SIGKILL"),
	seizes("reopen-log", "SIGHUP, which has a service read its configuration"),
	seizes("priority", "setpriority"),
	seizes("affinity", "sched_setaffinity"),
	seizes("oom", "/proc/PID/oom_score_adj"),
	seizes("environment", "/proc/PID/environ"),
	seizes("folder", "/proc/PID/root"),
	seizes("program", "the helper's binary opened for writing (CVE-2019-5736)"),
	seizes("name", "/proc/PID/comm"),
	seizes("cgroup", "another cgroup for it"),
}
