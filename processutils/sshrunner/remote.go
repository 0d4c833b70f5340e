package sshrunner

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/privhelper/privhelper/processutils"
)

// remote is the process on the other machine. The shell that becomes it says its number first, on standard error behind a
// word that nothing else can say; remote takes that line out of the stream.
type remote struct {
	client *ssh.Client
	stderr io.Writer
	word   string
	seen   []byte // until the line has come
	known  chan struct{}
	pid    int // once known is closed
}

func newRemote(client *ssh.Client, stderr io.Writer) *remote {
	return &remote{client: client, stderr: stderr, word: rand.Text(), known: make(chan struct{})}
}

// line is the command line for the remote shell. With exec the shell becomes the command, so that its number is the
// command's, and a signal's end is told as such.
func (r *remote) line(c processutils.Cmd) string {
	var b strings.Builder
	b.WriteString("echo " + r.word + " $$ >&2; ")
	if c.Dir != "" {
		b.WriteString("cd -- " + shellWord(c.Dir) + " && ")
	}
	b.WriteString("exec")
	for _, arg := range c.Args {
		b.WriteString(" " + shellWord(arg))
	}
	if c.MergeStderr {
		b.WriteString(" 2>&1")
	}
	return b.String()
}

// shellWord quotes for any POSIX shell, whatever the bytes are.
func shellWord(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// Write hands standard error on. What sshd and the shell's start-up files say before the line is not the command's.
func (r *remote) Write(p []byte) (int, error) {
	if r.pid != 0 {
		return r.stderr.Write(p)
	}
	r.seen = append(r.seen, p...)
	_, after, found := bytes.Cut(r.seen, []byte(r.word+" "))
	number, rest, ended := bytes.Cut(after, []byte("\n"))
	if !found || !ended {
		return len(p), nil
	}
	pid, err := strconv.Atoi(string(number))
	if err != nil || pid <= 1 {
		return 0, fmt.Errorf("the remote shell called itself process %.20q", number)
	}
	r.pid = pid
	close(r.known)
	r.seen = nil
	_, err = r.stderr.Write(rest)
	return len(p), err
}

// unstarted keeps what was said where the command never began: why.
func (r *remote) unstarted() {
	if r.pid == 0 {
		_, _ = r.stderr.Write(r.seen) // a Capture
	}
}

// signal signals the command's process group. sshd makes its session, so it leads one.
func (r *remote) signal(sig signal) error {
	select {
	case <-r.known:
	default:
		return errors.New("the remote process is not known")
	}
	for name, number := range signals {
		if number != sig {
			continue
		}
		session, err := r.client.NewSession()
		if err != nil {
			return fmt.Errorf("open a session for kill: %w", err)
		}
		defer session.Close()
		if err := session.Run(fmt.Sprintf("kill -s %s -- -%d", name, r.pid)); err != nil {
			return fmt.Errorf("kill the remote process group %d: %w", r.pid, err)
		}
		return nil
	}
	return fmt.Errorf("SSH has no name for signal %v: %w", sig, errors.ErrUnsupported)
}

var errNoAnswer = errors.New("the server said nothing of its end")

// stop ends the command, and returns what Wait said, or errNoAnswer.
func (r *remote) stop(session *ssh.Session, s processutils.Stop, over <-chan error) error {
	ask, grace := s.Signal, s.Grace
	if ask == 0 {
		ask = syscall.SIGTERM
	}
	if grace == 0 {
		grace = processutils.DefaultGrace
	}
	done := make(chan struct{})
	defer close(done)
	send := func(sig syscall.Signal) func() {
		return func() {
			select {
			case <-r.known: // it may only be about to start
				_ = r.signal(sig)
			case <-done:
			}
		}
	}
	steps := []struct {
		act  func()
		wait time.Duration
	}{
		{send(ask), grace}, // each may hang with the connection, and the next step comes all the same
		{send(syscall.SIGKILL), 500 * time.Millisecond},
		{func() { _ = session.Close() }, 500 * time.Millisecond},
	}
	if grace < 0 {
		steps = steps[1:]
	}
	for _, step := range steps {
		go step.act()
		select {
		case err := <-over:
			return err
		case <-time.After(step.wait):
		}
	}
	return errNoAnswer
}
