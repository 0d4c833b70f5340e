package attack

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
)

// A fate is what befalls one side of a conversation at one of its steps.
type fate struct {
	side string // "client" or "helper"
	what string // of fates
	step
}

// A step is a system call, and which time that is in a thread.
type step struct {
	call string
	time int
}

// fates are what can befall a side. The process goes on after "stopped" and "frozen", and its conversation must end as any other.
var fates = []string{"killed", "stopped", "stopped, killed", "frozen", "frozen, killed"}

func (f fate) killed() bool { return strings.HasSuffix(f.what, "killed") }

func (f fate) String() string {
	return f.side + " " + f.what + " at " + f.call + ", time " + strconv.Itoa(f.time)
}

// traced are the words that start a conversation with one side under strace(1). Enter is what a shell does before.
func (w *world) traced(side, enter string, strace []string) []string {
	daemon := []string{bin("privhelper"), "daemon", "--config", w.config}
	if side == "client" {
		return slices.Concat(from(enter), strace, []string{bin("caller")}, daemon)
	}
	return slices.Concat(from(enter), []string{bin("caller")}, strace, daemon)
}

// meets has a conversation meet its fate in this world, which is used for nothing else, and wants promises 6 and 7 kept. It
// says whether the step was reached, and how long after the end of who was killed the last process lived on.
func (w *world) meets(f fate) (reached bool, after time.Duration) {
	w.t.Helper()
	w.leavingPolicy()
	w.must(unix.Mkfifo(w.text("@W@/alive"), 0o600))
	w.file("@W@/bin/tool", "#!/bin/sh\nexec 9>@W@/alive\n"+strings.TrimPrefix(leaves, "#!/bin/sh\n"))
	alive, err := os.OpenFile(w.text("@W@/alive"), os.O_RDONLY|unix.O_NONBLOCK, 0)
	w.must(err)
	defer alive.Close()
	signal := "STOP"
	if f.what == "killed" {
		signal = "KILL"
	}
	group := w.cgroup() // its helpers sweep up only what is in it
	enter := "echo $$ >" + group + "/cgroup.procs"

	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	log, written := w.straceLog()
	defer log.Close()
	strace := []string{testenv.NeedProgram(w.t, "strace", "strace"), "-D", "-f", "-qq", "-b", "execve", "-o", log.Name(),
		"-e", "trace=" + f.call, "-e", "inject=" + f.call + ":signal=" + signal + ":when=" + strconv.Itoa(f.time)}
	words := w.traced(f.side, enter, strace)
	processes, commands := w.lifeline(), w.lifeline()
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Stdout, cmd.ExtraFiles = commands.held, []*os.File{processes.held} // 3 is nobody's, and the helper's too
	w.must(cmd.Start())
	type end struct {
		err error
		at  time.Time
	}
	ends := make(chan end, 1)
	go func() { // strace holds the lifeline too, and has written all when that has ended
		err := cmd.Wait()
		ends <- end{err, time.Now()}
		processes.over(w, f.String()+": client or helper")
		_, _ = io.WriteString(log, "end\n")
	}()
	// Of a helper that is killed the kernel frees the locks, while its commands may still be ending: docs/threat-model.md.
	abandons := f.killed() && f.side == "helper"
	var contender <-chan bool
	for row := range written {
		switch {
		case strings.Contains(row, "killed by SIGKILL"):
			reached = true
		case strings.Contains(row, "stopped by SIGSTOP") && !reached: // each thread has such a row
			pid := w.stopped(row)
			if reached = true; !abandons {
				contender = w.contends(alive)
			}
			w.goesOn(f, group, pid)
		}
	}
	ended := <-ends
	if ctx.Err() != nil {
		w.t.Fatalf("%v: it hangs", f)
	}
	if (!f.killed() || !reached) && ended.err != nil {
		w.t.Errorf("%v: the conversation ended with %v", f, ended.err)
	}
	if abandons { // the next helper ends them
		next, err := w.start(w.t.Context(), enter)
		w.must(err)
		next.Close()
	} else if contender == nil {
		contender = w.contends(alive)
	}
	commands.over(w, f.String()+": a command")
	after = time.Since(ended.at)
	if contender != nil && <-contender {
		w.t.Errorf("%v: the lock was free while its command lived", f)
	}
	ran := w.free(f.String())
	lines := w.decisions()
	if lines > 1 || lines < ran || (!f.killed() || !reached) && ran != 1 {
		w.t.Errorf("%v: the command ran %d times, and the log has %d lines for it", f, ran, lines)
	}
	return reached, after
}

// goesOn freezes who was stopped, with all others of its conversation, if that is its fate, then has it go on or die.
func (w *world) goesOn(f fate, group string, pid int) {
	w.t.Helper()
	if strings.HasPrefix(f.what, "frozen") {
		w.freezer(group, "1")
		defer w.freezer(group, "0")
	}
	if f.killed() {
		w.must(syscall.Kill(pid, syscall.SIGKILL))
	} else {
		w.must(syscall.Kill(pid, syscall.SIGCONT))
	}
}

// stopped waits until all of a process has stopped of which a row of strace's says that one thread has, and ends strace.
func (w *world) stopped(row string) (pid int) {
	w.t.Helper()
	tid, _, _ := strings.Cut(row, " ")
	status := w.read("/proc/" + tid + "/status")
	pid, err := strconv.Atoi(field(status, "Tgid"))
	w.must(err)
	tracer, err := strconv.Atoi(field(status, "TracerPid"))
	w.must(err)
	w.must(syscall.Kill(tracer, syscall.SIGKILL)) // which frees whom it traced; told to end, it waits for a stop that it had
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		tasks, err := filepath.Glob(proc(pid, "task/*/status"))
		w.must(err)
		goes := slices.ContainsFunc(tasks, func(task string) bool {
			status, err := os.ReadFile(task) // of a thread that may have ended
			return err == nil && (field(string(status), "State") != "T" || field(string(status), "TracerPid") != "0")
		})
		if !goes {
			return pid
		}
		if time.Now().After(end) {
			w.t.Fatalf("%d does not stop", pid)
		}
	}
}

// field is the first word of a line of /proc/PID/status.
func field(status, key string) string {
	_, rest, _ := strings.Cut(status, "\n"+key+":")
	return strings.Fields(rest)[0]
}

// straceLog is a FIFO for strace(1), and what is written to it, line by line, up to "end".
func (w *world) straceLog() (*os.File, <-chan string) {
	w.t.Helper()
	path := w.text("@W@/trace")
	w.must(unix.Mkfifo(path, 0o600))
	log, err := os.OpenFile(path, os.O_RDWR, 0)
	w.must(err)
	rows := make(chan string)
	go func() {
		defer close(rows)
		for scan := bufio.NewScanner(log); scan.Scan() && scan.Text() != "end"; {
			rows <- scan.Text()
		}
	}()
	return log, rows
}

// contends waits for the lock of leavesRule as anybody else may, and tells whether a command lived when it was ours.
func (w *world) contends(alive *os.File) <-chan bool {
	w.t.Helper()
	path := w.text("@W@/locks/one")
	lived := make(chan bool, 1)
	go func() {
		defer close(lived)
		for {
			lock, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
			if err != nil {
				return
			}
			for err = unix.EINTR; err == unix.EINTR; {
				err = unix.Flock(int(lock.Fd()), unix.LOCK_EX)
			}
			held, _ := lock.Stat()
			now, _ := os.Stat(path)
			ours := err == nil && os.SameFile(held, now)
			if ours {
				_, err = unix.Read(int(alive.Fd()), make([]byte, 1))
				lived <- err == unix.EAGAIN // somebody has it open for writing
			}
			lock.Close()
			if ours {
				return
			}
		}
	}()
	return lived
}
