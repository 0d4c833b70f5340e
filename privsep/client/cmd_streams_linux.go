package client

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/command"
)

// streams makes descriptors of the three standard streams.
func (c *Cmd) streams(r *command.Request) (err error) {
	if r.Stdin, err = c.reading(c.Stdin); err != nil {
		return err
	}
	if r.Stdout, err = c.writing(c.Stdout); err != nil {
		return err
	}
	if c.Stderr != nil && sameWriter(c.Stderr, c.Stdout) && r.Stdout.File != nil {
		// One descriptor cannot travel twice in a message: its copy shares the open file description, as 2>&1 does.
		r.Stderr, err = c.again(r.Stdout)
		return err
	}
	r.Stderr, err = c.writing(c.Stderr)
	return err
}

// sameWriter compares as os/exec does; uncomparable writers are different.
func sameWriter(a, b io.Writer) bool {
	defer func() { _ = recover() }()
	return a == b
}

// passable gives the file itself if a privileged program may have it: no terminal, into which it could type (TIOCSTI).
// It is made blocking, as os/exec does: the command does not expect to be told to try again.
func passable(v any) (*os.File, bool) {
	f, ok := v.(*os.File)
	if !ok || f == nil {
		return nil, false
	}
	fd := int(f.Fd())
	if _, err := unix.IoctlGetTermios(fd, unix.TCGETS); err == nil {
		return nil, false
	}
	return f, true
}

func (c *Cmd) again(f privsep.File) (privsep.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return privsep.File{}, os.NewSyscallError("fcntl", err)
	}
	file := os.NewFile(uintptr(fd), f.Name())
	c.theirs = append(c.theirs, file)
	return privsep.File{File: file}, nil
}

func (c *Cmd) reading(r io.Reader) (privsep.File, error) {
	if r == nil {
		return privsep.File{}, nil
	}
	if f, ok := passable(r); ok {
		return c.again(privsep.File{File: f})
	}
	theirs, ours, err := os.Pipe()
	if err != nil {
		return privsep.File{}, err
	}
	c.theirs, c.ours = append(c.theirs, theirs), append(c.ours, ours)
	theirs.Fd() // blocking from now on
	c.copying = append(c.copying, func() error {
		_, err := io.Copy(ours, r)
		if errors.Is(err, unix.EPIPE) {
			err = nil // the command did not want it all
		}
		return errors.Join(err, ours.Close())
	})
	return privsep.File{File: theirs}, nil
}

func (c *Cmd) writing(w io.Writer) (privsep.File, error) {
	if w == nil {
		return privsep.File{}, nil
	}
	if f, ok := passable(w); ok {
		return c.again(privsep.File{File: f})
	}
	ours, theirs, err := os.Pipe()
	if err != nil {
		return privsep.File{}, err
	}
	c.theirs, c.ours = append(c.theirs, theirs), append(c.ours, ours)
	theirs.Fd() // blocking from now on
	c.copying = append(c.copying, func() error {
		_, err := io.Copy(w, ours)
		ours.Close()
		return err
	})
	return privsep.File{File: theirs}, nil
}

// StdinPipe returns a pipe to the command's standard input. Close it to end the input.
func (c *Cmd) StdinPipe() (io.WriteCloser, error) {
	if c.Stdin != nil {
		return nil, errors.New("client: Stdin already set")
	}
	r, w, err := c.pipe()
	if err != nil {
		return nil, err
	}
	c.Stdin = r
	c.theirs, c.ours = append(c.theirs, r), append(c.ours, w)
	return w, nil
}

// StdoutPipe returns a pipe from the command's standard output. Wait closes it: read it to its end first.
func (c *Cmd) StdoutPipe() (io.ReadCloser, error) {
	if c.Stdout != nil {
		return nil, errors.New("client: Stdout already set")
	}
	r, w, err := c.pipe()
	if err != nil {
		return nil, err
	}
	c.Stdout = w
	c.theirs, c.ours = append(c.theirs, w), append(c.ours, r)
	return r, nil
}

// StderrPipe returns a pipe from the command's standard error. Wait closes it: read it to its end first.
func (c *Cmd) StderrPipe() (io.ReadCloser, error) {
	if c.Stderr != nil {
		return nil, errors.New("client: Stderr already set")
	}
	r, w, err := c.pipe()
	if err != nil {
		return nil, err
	}
	c.Stderr = w
	c.theirs, c.ours = append(c.theirs, w), append(c.ours, r)
	return r, nil
}

func (c *Cmd) pipe() (r, w *os.File, err error) {
	if c.began {
		return nil, nil, errors.New("client: command already started")
	}
	return os.Pipe()
}

// begin starts the copying of streams that are no files.
func (c *Cmd) begin() {
	c.copied = make(chan error, len(c.copying))
	for _, copy := range c.copying {
		go func() { c.copied <- copy() }()
	}
}

// finish waits for the copying, at most WaitDelay long, and closes our ends of pipes.
func (c *Cmd) finish() (err error) {
	var limit <-chan time.Time
	if c.WaitDelay > 0 {
		timer := time.NewTimer(c.WaitDelay)
		defer timer.Stop()
		limit = timer.C
	}
	for range c.copying {
		select {
		case e := <-c.copied:
			if err == nil {
				err = e
			}
		case <-limit:
			limit = nil
			err = exec.ErrWaitDelay
			c.release() // closing our ends ends the copying
		}
	}
	c.release()
	return err
}

// release closes every descriptor that is ours.
func (c *Cmd) release() {
	closeAll(c.theirs)
	for _, f := range c.ours {
		f.Close()
	}
	c.theirs, c.ours = nil, nil
}
