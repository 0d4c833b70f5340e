package client

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a helper's process, or that of the program that starts it for us.
type process struct {
	hint   string
	log    *slog.Logger
	exited chan struct{} // closed once it was waited for; nil: not our child
	stderr chan struct{} // closed at the end of its standard error; nil: we do not have it
	kill   func() error  // nil: not our child
	parent *process      // the starter, where one started it

	mu    sync.Mutex
	lines []string // the last of its standard error
	serve bool
}

type spawnOptions struct {
	argv               []string
	hint               string
	namespace, network bool
	log                *slog.Logger
	kind               int // of the socket; 0: SOCK_STREAM
}

// maxLines bounds what is kept of a helper's standard error.
const maxLines = 20

// start starts a program with one end of a socketpair as its standard input, an empty environment, / as its folder,
// and its standard error with us.
func start(o spawnOptions) (*process, *os.File, error) {
	if o.kind == 0 {
		o.kind = unix.SOCK_STREAM
	}
	ours, theirs, err := pair(o.kind)
	if err != nil {
		return nil, nil, err
	}
	defer theirs.Close()
	r, w, err := os.Pipe()
	if err != nil {
		ours.Close()
		return nil, nil, err
	}
	defer w.Close()
	cmd := exec.Command(o.argv[0], o.argv[1:]...)
	cmd.Stdin, cmd.Stderr, cmd.Dir = theirs, w, "/"
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	if o.namespace {
		flags := uintptr(unix.CLONE_NEWUSER)
		if o.network {
			flags |= unix.CLONE_NEWNET
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}}
	}
	if err := cmd.Start(); err != nil {
		ours.Close()
		r.Close()
		return nil, nil, err
	}
	p := &process{hint: o.hint, log: o.log, exited: make(chan struct{}), stderr: make(chan struct{}), kill: cmd.Process.Kill}
	go p.read(r)
	go func() {
		_ = cmd.Wait()
		close(p.exited)
	}()
	return p, ours, nil
}

func pair(kind int) (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "helper"), os.NewFile(uintptr(fds[1]), "client"), nil
}

// read keeps the tail of the helper's standard error, and once it serves gives each line to the log.
func (p *process) read(r io.ReadCloser) {
	defer close(p.stderr)
	defer r.Close()
	lines := bufio.NewReaderSize(r, 4096)
	for {
		line, err := lines.ReadString('\n')
		if line = strings.TrimRight(line, "\n"); line != "" {
			p.mu.Lock()
			p.lines = append(p.lines, line)
			if len(p.lines) > maxLines {
				p.lines = p.lines[1:]
			}
			serve := p.serve
			p.mu.Unlock()
			if serve {
				p.log.Warn("root helper", "stderr", line)
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *process) serving() {
	p.mu.Lock()
	p.serve = true
	p.mu.Unlock()
}

// wait waits for the end of the process. Its socket is closed: a helper ends then by itself. It reports whether it did.
func (p *process) wait(limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for _, done := range []chan struct{}{p.exited, p.stderr} {
		if done == nil {
			continue
		}
		select {
		case <-done:
		case <-timer.C:
			return false
		}
	}
	return true
}

// end is for a program that never served: it gets a moment to see that its socket is closed. One that waits for a
// password does not look; what is root's we cannot kill, and sudo ends with the terminal or at its own timeout.
func (p *process) end() {
	if !p.wait(time.Second) && p.kill != nil {
		_ = p.kill()
		p.wait(time.Second)
	}
	if p.parent != nil && len(p.said()) == 0 {
		p.parent.wait(time.Second) // it may be the starter that has failed, and its words are on their way
	}
}

// said returns the last lines of its standard error, or where it said nothing those of its starter.
func (p *process) said() []string {
	p.mu.Lock()
	lines := slices.Clone(p.lines)
	p.mu.Unlock()
	if len(lines) == 0 && p.parent != nil {
		return p.parent.said()
	}
	return lines
}

// explain is the error of a start: the cause, what the helper said, and what to do.
func (p *process) explain(cause error) error {
	err := fmt.Errorf("start root helper: %w", cause)
	if lines := p.said(); len(lines) > 0 {
		err = fmt.Errorf("%w; it said: %s", err, strings.Join(lines, "; "))
	}
	if p.hint != "" {
		err = fmt.Errorf("%w\nIf it may not start without a password, %s", err, p.hint)
	}
	return err
}

// starter asks the program that stays root for helpers.
type starter struct {
	mu      sync.Mutex
	process *process
	socket  *os.File
}

func newStarter(path string, args []string, log *slog.Logger) (*starter, error) {
	p, socket, err := start(spawnOptions{argv: append([]string{path}, args...), kind: unix.SOCK_SEQPACKET, log: log})
	if err != nil {
		return nil, err
	}
	return &starter{process: p, socket: socket}, nil
}

// launch passes one end of a socketpair and one of a pipe to the starter: the helper that it starts gets them as standard
// input and standard error.
func (s *starter) launch() (*process, *os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ours, theirs, err := pair(unix.SOCK_STREAM)
	if err != nil {
		return nil, nil, err
	}
	defer theirs.Close()
	r, w, err := os.Pipe()
	if err != nil {
		ours.Close()
		return nil, nil, err
	}
	defer w.Close()
	err = unix.Sendmsg(int(s.socket.Fd()), []byte{1}, unix.UnixRights(int(theirs.Fd()), int(w.Fd())), nil, unix.MSG_NOSIGNAL)
	if err != nil {
		ours.Close()
		r.Close()
		s.process.wait(time.Second)
		return nil, nil, s.process.explain(fmt.Errorf("its starter is gone: %w", err))
	}
	p := &process{log: s.process.log, stderr: make(chan struct{}), parent: s.process} // the starter's child: its end shows at its standard error
	go p.read(r)
	return p, ours, nil
}

func (s *starter) close() {
	s.socket.Close()
	s.process.end()
}
