package attack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep/client"
)

// reuse runs in a pid namespace of its own. Its arguments are privhelper, its configuration, the program that a KillFilter names, a FIFO
// for strace, and options of strace that stop the helper between its look at a process and its signal. Then that process ends,
// and another program gets its pid: it must live on.
func reuse(args []string) error {
	helper, config, program, fifo, options := args[0], args[1], args[2], args[3], args[4:]
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	victim := exec.CommandContext(ctx, program, "1000")
	if err := victim.Start(); err != nil {
		return err
	}
	pid := victim.Process.Pid
	words := []string{"strace", "-f", "-qq", "-b", "execve", "-o", fifo}
	for _, o := range options {
		words = append(words, strings.NewReplacer("PID", strconv.Itoa(pid), "PROGRAM", program).Replace(o))
	}
	log, err := os.OpenFile(fifo, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer log.Close()
	c, err := client.Start(ctx, client.Config{Launcher: &client.Prefix{Command: words, Path: helper, Args: []string{"daemon", "--config", config}}})
	if err != nil {
		return err
	}
	defer c.Close()
	answer := make(chan error, 1)
	go func() { answer <- c.CommandContext(ctx, "kill", "-9", strconv.Itoa(pid)).Run() }()
	const stopped = "stopped by SIGSTOP"
	rows := bufio.NewScanner(log)
	for !strings.Contains(rows.Text(), stopped) {
		if !rows.Scan() {
			return fmt.Errorf("strace ended: %w", rows.Err())
		}
	}
	if err := victim.Process.Kill(); err != nil {
		return err
	}
	_ = victim.Wait()
	other, err := startAs(ctx, pid)
	if err != nil {
		return err
	}
	resume := func() error { return syscall.Kill(c.Helper().PID, syscall.SIGCONT) }
	go func() { // strace stops each thread once, and a refusal is worded by a second look, which another may take
		for rows.Scan() {
			if strings.Contains(rows.Text(), stopped) {
				_ = resume()
			}
		}
	}()
	if err := resume(); err != nil {
		return err
	}
	told := <-answer
	state, err := os.ReadFile(proc(pid, "stat"))
	if err != nil || strings.Contains(string(state), ") Z ") {
		return fmt.Errorf("the process that got the pid was hit: %s, %w; the client was told: %w", state, err, told)
	}
	if told == nil {
		return errors.New("the client was told that it was signalled")
	}
	_ = other.Process.Kill()
	_ = other.Wait()
	return nil
}

// startAs starts another program until it has a pid that was another's: threads of this process take numbers too.
func startAs(ctx context.Context, pid int) (*exec.Cmd, error) {
	for range 1000 {
		if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(strconv.Itoa(pid-1)), 0); err != nil {
			return nil, err
		}
		cmd := exec.CommandContext(ctx, "/bin/sleep", "1000")
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		if cmd.Process.Pid == pid {
			return cmd, nil
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	return nil, errors.New("the pid does not come again")
}

// reused is an attack by a pid that becomes another process's.
func reused(name, how string, options ...string) attack {
	return attack{name, how, 5, nil, func(w *world) {
		testenv.NeedProgram(w.t, "strace", "strace")
		w.must(copyFile(w.text("@W@/bin/victim"), "/bin/sleep"))
		w.policy("", "kill: KillFilter, root, @W@/bin/victim, -9\n")
		w.must(unix.Mkfifo(w.text("@W@/trace"), 0o600))
		words := append([]string{"--pid", "--fork", "--mount-proc", "--kill-child", bin("reuse"), bin("privhelper"), w.config, w.text("@W@/bin/victim"), w.text("@W@/trace")}, options...)
		if out, err := exec.Command("unshare", words...).CombinedOutput(); err != nil {
			w.t.Errorf("%v: %s", err, out)
		}
		if n := w.decisions(); n != 1 {
			w.t.Errorf("%d lines in the log", n)
		}
	}}
}

var reuseAttacks = []attack{
	reused("before-its-program", "the pid becomes another process's when the helper has opened the process, and not yet looked at its program",
		"-P", "/proc/PID/exe", "-e", "trace=readlinkat", "-e", "inject=readlinkat:signal=SIGSTOP:when=1"),
	reused("before-the-signal", "the same when it has looked, and not yet sent the signal (polkit CVE-2019-6133)",
		"-P", "PROGRAM", "-e", "trace=newfstatat", "-e", "inject=newfstatat:signal=SIGSTOP:when=1"),
	reused("between-its-looks", "the same between its two looks at the program",
		"-P", "/proc/PID/exe", "-e", "trace=newfstatat", "-e", "inject=newfstatat:signal=SIGSTOP:when=1"),
}
