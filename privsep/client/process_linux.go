package client

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a helper's process, or that of the program that starts it for us.
type process struct {
	hint   string
	log    *logQueue
	exited chan struct{} // closed once it was waited for; nil: not our child
	stderr chan struct{} // closed at the end of its standard error; nil: we do not have it
	kill   func() error  // nil: not our child
	parent *process      // the starter, where one started it
	text   stderrText
}

type spawnOptions struct {
	argv               []string
	hint               string
	namespace, network bool
	files              []*os.File // descriptors 3 and up: what a helper in a user namespace may trust
	log                *logQueue
	starter            bool // for the program that stays root: a socket for messages, not a stream
}

// ends joins us with a helper: a socketpair that is its standard input, and a pipe that is its standard error.
type ends struct{ socket, theirSocket, stderr, theirStderr *os.File }

func newEnds(kind int) (e ends, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return ends{}, os.NewSyscallError("socketpair", err)
	}
	e.socket, e.theirSocket = os.NewFile(uintptr(fds[0]), "helper"), os.NewFile(uintptr(fds[1]), "client")
	if e.stderr, e.theirStderr, err = os.Pipe(); err != nil {
		closeAll([]*os.File{e.socket, e.theirSocket})
		return ends{}, err
	}
	return e, nil
}

// given closes the helper's ends, once it has them or will never have them: whoever waits for the end of one of ours
// would wait for us. Where the start failed ours are closed too.
func (e ends) given(started error) {
	closeAll([]*os.File{e.theirSocket, e.theirStderr})
	if started != nil {
		closeAll([]*os.File{e.socket, e.stderr})
	}
}

// start starts a program with one end of a socketpair as its standard input, an empty environment, / as its folder,
// and its standard error with us.
func start(o spawnOptions) (*process, *os.File, error) {
	kind := unix.SOCK_STREAM
	if o.starter {
		kind = unix.SOCK_SEQPACKET
	}
	e, err := newEnds(kind)
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(o.argv[0], o.argv[1:]...)
	cmd.Stdin, cmd.Stderr, cmd.Dir, cmd.ExtraFiles = e.theirSocket, e.theirStderr, "/", o.files
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
	err = cmd.Start()
	e.given(err)
	if err != nil {
		return nil, nil, err
	}
	p := newProcess(e, o.log)
	p.hint, p.exited, p.kill = o.hint, make(chan struct{}), cmd.Process.Kill
	go func() {
		_ = cmd.Wait()
		close(p.exited)
	}()
	return p, e.socket, nil
}

// newProcess reads the standard error of what has been started with these ends.
func newProcess(e ends, log *logQueue) *process {
	p := &process{log: log, stderr: make(chan struct{})}
	go func() {
		defer close(p.stderr)
		defer e.stderr.Close()
		p.text.read(e.stderr)
	}()
	return p
}

// serving makes the log take what the helper says from now on: the start has succeeded, and no error of it will.
func (p *process) serving() {
	p.text.onLine(func(line string) { p.log.add(stderrRecord(line)) })
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
}

// listen gives the starter of a helper that has ended without a word the time to say why: it may be what has failed.
func (p *process) listen() {
	if p.parent != nil && len(p.said()) == 0 {
		p.parent.wait(time.Second)
	}
}

// said returns the last lines of its standard error, or where it said nothing those of its starter.
func (p *process) said() []string {
	lines := p.text.last()
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

func newStarter(path string, args []string, log *logQueue) (*starter, error) {
	p, socket, err := start(spawnOptions{argv: append([]string{path}, args...), starter: true, log: log})
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
	e, err := newEnds(unix.SOCK_STREAM)
	if err != nil {
		return nil, nil, err
	}
	rights := unix.UnixRights(int(e.theirSocket.Fd()), int(e.theirStderr.Fd()))
	err = unix.Sendmsg(int(s.socket.Fd()), []byte{1}, rights, nil, unix.MSG_NOSIGNAL)
	e.given(err)
	if err != nil {
		s.process.wait(time.Second)
		return nil, nil, s.process.explain(fmt.Errorf("its starter is gone: %w", err))
	}
	p := newProcess(e, s.process.log) // the starter's child: its end shows at its standard error
	p.parent = s.process
	return p, e.socket, nil
}

func (s *starter) close() {
	s.socket.Close()
	s.process.end()
}
