//go:build linux

package attack

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// partialCalls are the calls of which a kernel may do a part, or nothing yet.
var partialCalls = map[string]uint64{"read": unix.SYS_READ, "write": unix.SYS_WRITE, "sendmsg": unix.SYS_SENDMSG, "recvmsg": unix.SYS_RECVMSG}

// A partial is a program that runs another under ptrace(2), and has the kernel do a part of one system call, or none of it.
// strace(1) cannot: a count that it makes up would lose data. Here the kernel itself is asked for one byte, and an EAGAIN is
// followed by the change that epoll owes to who waits then.
type partial struct {
	call  uint64
	what  string // "short" or "again"
	left  int    // how many such calls come before it
	log   string // a file to which it writes when it has done so
	inner map[int]*entered
}

// entered is a thread within a system call that was changed.
type entered struct {
	again   bool
	now     bool // it is told not to block
	fd      int
	address uintptr // of a length in its memory that is to be restored
	length  []byte
}

// runPartial is the program. Its arguments are the call, what becomes of it, at which time of all threads, the log, and a command line.
func runPartial(args []string) error {
	point, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	p := &partial{partialCalls[args[0]], args[1], point - 1, args[3], map[int]*entered{}}
	if err := os.WriteFile(p.log, nil, 0o644); err != nil {
		return err
	}
	runtime.LockOSThread() // ptrace is between threads
	cmd := exec.Command(args[4], args[5:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	status, err := p.trace(cmd.Process.Pid)
	if err != nil {
		return err
	}
	if status.Signaled() {
		return fmt.Errorf("it was ended by %v", status.Signal())
	}
	os.Exit(status.ExitStatus())
	return nil
}

// trace follows all threads of a process that has just stopped at its exec, until it ends or executes another program.
func (p *partial) trace(pid int) (status unix.WaitStatus, err error) {
	if _, err := unix.Wait4(pid, &status, 0, nil); err != nil {
		return status, err
	}
	if err := unix.PtraceSetOptions(pid, unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_TRACEEXEC|unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_EXITKILL); err != nil {
		return status, err
	}
	known, inside := map[int]bool{pid: true}, map[int]bool{}
	for tid, signal := pid, 0; ; {
		if err := unix.PtraceSyscall(tid, signal); err != nil && err != unix.ESRCH { // it may have been killed meanwhile
			return status, err
		}
		for signal = 0; ; {
			if tid, err = unix.Wait4(-1, &status, unix.WALL, nil); err == unix.EINTR {
				continue
			} else if err != nil {
				return status, err
			}
			if !status.Stopped() && tid == pid {
				return status, nil
			}
			if status.Stopped() {
				break
			}
		}
		switch stop := status.StopSignal(); {
		case stop == unix.SIGTRAP|0x80 && !inside[tid]:
			inside[tid] = true
			err = p.enter(pid, tid)
		case stop == unix.SIGTRAP|0x80:
			inside[tid] = false
			err = p.leave(pid, tid)
		case stop == unix.SIGTRAP && status.TrapCause() == unix.PTRACE_EVENT_EXEC:
			if err := unix.PtraceDetach(tid); err != nil {
				return status, err
			}
			_, err = unix.Wait4(pid, &status, 0, nil)
			return status, err
		case stop == unix.SIGTRAP, stop == unix.SIGSTOP && !known[tid]: // a thread began
			known[tid] = true
		default:
			signal = int(stop)
		}
		if err != nil && !errors.Is(err, unix.ESRCH) {
			return status, err
		}
	}
}

// enter changes the call that a thread is about to make, if that is the one.
func (p *partial) enter(pid, tid int) error {
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(tid, &regs); err != nil || regs.Orig_rax != p.call {
		return err
	}
	e := &entered{again: p.what == "again", fd: int(int32(regs.Rdi))}
	message := p.call == unix.SYS_SENDMSG || p.call == unix.SYS_RECVMSG
	e.now = message && regs.Rdx&unix.MSG_DONTWAIT != 0
	length := regs.Rdx
	if message && !e.again { // the first of its buffers
		var err error
		if e.address, e.length, length, err = firstLength(tid, uintptr(regs.Rsi)); err != nil {
			return err
		}
	}
	if !p.may(pid, e) || !e.again && length < 2 {
		return nil
	}
	if p.left--; p.left != -1 {
		return nil
	}
	p.inner[tid] = e
	switch {
	case e.again:
		regs.Orig_rax = ^uint64(0) // no call at all
	case message:
		_, err := unix.PtracePokeData(tid, e.address, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		return err
	default:
		regs.Rdx = 1
	}
	return unix.PtraceSetRegs(tid, &regs)
}

// firstLength finds the length of the only buffer of a message.
func firstLength(tid int, header uintptr) (address uintptr, bytes []byte, length uint64, err error) {
	bytes = make([]byte, 8)
	word := func(at uintptr) (n uint64) {
		if err == nil {
			_, err = unix.PtracePeekData(tid, at, bytes)
		}
		for i := range bytes {
			n |= uint64(bytes[i]) << (8 * i)
		}
		return n
	}
	if buffers := word(header + 24); buffers != 1 {
		return 0, nil, 0, err
	}
	address = uintptr(word(header+16)) + 8
	return address, bytes, word(address), err
}

// may reports whether a kernel may do that to a descriptor: EAGAIN is for those that do not block, or do not now, and what is written to
// /proc or a cgroup is one whole.
func (p *partial) may(pid int, e *entered) bool {
	to, _ := os.Readlink(proc(pid, "fd/"+strconv.Itoa(e.fd)))
	stream := strings.HasPrefix(to, "socket:") || strings.HasPrefix(to, "pipe:")
	if !e.again {
		return stream || strings.HasPrefix(to, "/") && (p.call == unix.SYS_READ || !strings.HasPrefix(to, "/proc/") && !strings.HasPrefix(to, "/sys/"))
	}
	info, _ := os.ReadFile(proc(pid, "fdinfo/"+strconv.Itoa(e.fd)))
	flags, err := strconv.ParseUint(field("\n"+string(info), "flags"), 8, 32)
	return stream && (e.now || err == nil && flags&unix.O_NONBLOCK != 0)
}

// leave puts right what a thread sees after its call.
func (p *partial) leave(pid, tid int) error {
	e := p.inner[tid]
	delete(p.inner, tid)
	switch {
	case e == nil:
		return nil
	case e.again:
		var regs unix.PtraceRegs
		if err := unix.PtraceGetRegs(tid, &regs); err != nil {
			return err
		}
		regs.Rax = ^uint64(unix.EAGAIN) + 1
		if err := unix.PtraceSetRegs(tid, &regs); err != nil {
			return err
		}
		if err := rearm(pid, e.fd); err != nil {
			return fmt.Errorf("descriptor %d: %w", e.fd, err)
		}
	case e.address != 0:
		if _, err := unix.PtracePokeData(tid, e.address, e.length); err != nil {
			return err
		}
	}
	to, _ := os.Readlink(proc(pid, "fd/"+strconv.Itoa(e.fd)))
	return os.WriteFile(p.log, []byte(to+" (INJECTED)\n"), 0o644)
}

// rearm has epoll tell a process again what its descriptor is ready for, as a change would. The descriptor's number is part of
// what epoll knows it by, so this thread gets a table of descriptors of its own, in which it has that number.
func rearm(pid, fd int) error {
	watcher, event, err := watched(pid, fd)
	if err != nil || watcher < 0 {
		return err
	}
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	epoll, err := unix.PidfdGetfd(pidfd, watcher, 0)
	if err != nil {
		return err
	}
	own, err := unix.PidfdGetfd(pidfd, fd, 0)
	if err == nil {
		err = unix.Unshare(unix.CLONE_FILES)
	}
	if err != nil {
		return err
	}
	if epoll == fd {
		if epoll, err = unix.Dup(epoll); err != nil {
			return err
		}
	}
	if own != fd {
		if err := unix.Dup3(own, fd, unix.O_CLOEXEC); err != nil {
			return err
		}
	}
	return unix.EpollCtl(epoll, unix.EPOLL_CTL_MOD, fd, &event)
}

// watched finds which epoll of a process watches a descriptor, and for what.
func watched(pid, fd int) (watcher int, event unix.EpollEvent, err error) {
	all, err := os.ReadDir(proc(pid, "fd"))
	for _, f := range all {
		if to, _ := os.Readlink(proc(pid, "fd/"+f.Name())); to != "anon_inode:[eventpoll]" {
			continue
		}
		info, _ := os.ReadFile(proc(pid, "fdinfo/"+f.Name()))
		for row := range strings.Lines(string(info)) {
			var target int
			var data uint64
			if n, _ := fmt.Sscanf(row, "tfd: %d events: %x data: %x", &target, &event.Events, &data); n == 3 && target == fd {
				event.Fd, event.Pad = int32(data), int32(data>>32)
				watcher, err = strconv.Atoi(f.Name())
				return watcher, event, err
			}
		}
	}
	return -1, event, err
}
