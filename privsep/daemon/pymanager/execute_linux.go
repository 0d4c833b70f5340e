package pymanager

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/command"
)

// The exit codes of oslo.rootwrap for what does not run, and of what we had to end.
const (
	codeUnauthorized  = 99
	codeNotExecutable = 96
	codeEnded         = -int(syscall.SIGKILL)
)

// execute runs a command and answers with its exit code and output.
func (c *conn) execute(q request) error {
	s := c.server
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
	out := &capture{memory: &s.memory, left: s.limits.Output}
	defer out.free()
	code, err := s.runCaptured(q, out)
	c.server.answering(c)
	switch {
	case errors.Is(err, errOutput), errors.Is(err, errMemory), errors.Is(err, command.ErrTimeout):
		out.say("privhelper: ended: " + err.Error())
		return writeResult(c.file, codeEnded, &out.out, &out.err)
	case err != nil:
		return c.refuse(err)
	}
	return writeResult(c.file, code, &out.out, &out.err)
}

// refuse answers for a command that did not run. What is no refusal of rootwrap's is an error of the client.
func (c *conn) refuse(err error) error {
	var e *privsep.CallError
	if errors.As(err, &e) {
		switch e.Code {
		case privsep.CodeDenied:
			return writeResult(c.file, codeUnauthorized, &output{}, &output{})
		case privsep.CodeFenced: // which rootwrap has not, and its protocol has no place for a token: a bare 99 would say nothing
			return writeResult(c.file, codeUnauthorized, &output{}, &output{[][]byte{[]byte("privhelper: refused: " + e.Message + "\n")}})
		case privsep.CodeNotExecutable:
			return writeResult(c.file, codeNotExecutable, &output{}, &output{})
		}
		return writeFrame(c.file, failed(e.Message))
	}
	return writeFrame(c.file, failed(err.Error()))
}

// runCaptured runs a command with pipes for streams and fills out, which is closed when it returns. The code is −N where
// signal N ended the command, as subprocess has it.
func (s *server) runCaptured(q request, out *capture) (code int, err error) {
	defer out.close()
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	p, err := openPipes(q.input && q.stdin != "")
	if err != nil {
		return 0, fmt.Errorf("streams of the command: %w", err)
	}
	defer p.close()
	ended := make(chan error, 2)
	capture := func(o *output, r *os.File) {
		defer r.Close()
		err := out.read(o, r)
		if err != nil {
			cancel(err)
		}
		ended <- err
	}
	go capture(&out.out, p.out)
	go capture(&out.err, p.err)
	if p.in != nil {
		go func() {
			defer p.in.Close()
			_, _ = io.WriteString(p.in, q.stdin) // a command need not read it
		}()
	}
	result, err := s.run(ctx, command.Request{Argv: q.argv,
		Stdin: privsep.File{File: p.theirIn}, Stdout: privsep.File{File: p.theirOut}, Stderr: privsep.File{File: p.theirErr}})
	p.closeTheirs() // what still holds copies of them is what the command left behind
	if more := s.drain(ended); more != nil {
		return 0, more
	}
	if err != nil {
		return 0, err
	}
	if result.Signal != 0 {
		return -result.Signal, nil
	}
	return result.Code, nil
}

// drain waits for the end of both streams, and returns why one was read no further.
func (s *server) drain(ended <-chan error) (err error) {
	held := time.NewTimer(heldTime)
	defer held.Stop()
	for range 2 {
		select {
		case e := <-ended:
			err = errors.Join(err, e)
		case <-held.C:
			return err
		case <-s.ctx.Done():
			return context.Cause(s.ctx)
		}
	}
	return err
}

// pipes are a command's three streams. Those of ours are read and written by goroutines, which close them.
type pipes struct {
	in, out, err                *os.File
	theirIn, theirOut, theirErr *os.File
}

// openPipes makes them; without input standard input is /dev/null, which reads as a pipe that was closed at once.
func openPipes(input bool) (p pipes, err error) {
	if input {
		if p.theirIn, p.in, err = pipe(1); err != nil {
			return p, err
		}
	}
	if p.out, p.theirOut, err = pipe(0); err == nil {
		p.err, p.theirErr, err = pipe(0)
	}
	if err != nil {
		p.close()
		for _, f := range []*os.File{p.out, p.err} {
			f.Close()
		}
	}
	return p, err
}

// pipe makes one of which end number ours, 0 to read or 1 to write, is polled by Go. The command's end blocks and is
// registered nowhere: os.Pipe does both for it and takes both back, ten system calls a command and a wake-up of the poller.
func pipe(ours int) (read, write *os.File, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	if err := unix.SetNonblock(p[ours], true); err != nil {
		unix.Close(p[0])
		unix.Close(p[1])
		return nil, nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(p[0]), "|0"), os.NewFile(uintptr(p[1]), "|1"), nil
}

func (p *pipes) closeTheirs() {
	for _, f := range []*os.File{p.theirIn, p.theirOut, p.theirErr} {
		f.Close() // an *os.File that is nil answers with an error
	}
}

// close ends what is left but the reading, which goes on for what the command left behind.
func (p *pipes) close() {
	p.closeTheirs()
	p.in.Close()
}
