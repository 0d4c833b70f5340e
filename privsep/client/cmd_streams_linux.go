package client

import (
	"errors"
	"io"
	"os"

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

// absent is nil, and a nil *os.File within an interface.
func absent(v any) bool {
	f, isFile := v.(*os.File)
	return v == nil || isFile && f == nil
}

// passable gives the file itself if a privileged program may have it: no terminal, into which it could type (TIOCSTI).
// It is made blocking, as os/exec does: the command does not expect to be told to try again.
func (c *Cmd) passable(v any) (*os.File, bool) {
	f, ok := v.(*os.File)
	if !ok {
		return nil, false
	}
	fd := int(f.Fd())
	if _, err := unix.IoctlGetTermios(fd, unix.TCGETS); err == nil && !c.Pty {
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
	if absent(r) {
		return privsep.File{}, nil
	}
	if f, ok := c.passable(r); ok {
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
		return firstOf(err, ours.Close())
	})
	return privsep.File{File: theirs}, nil
}

func (c *Cmd) writing(w io.Writer) (privsep.File, error) {
	if absent(w) {
		return privsep.File{}, nil
	}
	if f, ok := c.passable(w); ok {
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
	r, w, err := c.pipe("StdinPipe")
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
	r, w, err := c.pipe("StdoutPipe")
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
	r, w, err := c.pipe("StderrPipe")
	if err != nil {
		return nil, err
	}
	c.Stderr = w
	c.theirs, c.ours = append(c.theirs, w), append(c.ours, r)
	return r, nil
}

func (c *Cmd) pipe(caller string) (r, w *os.File, err error) {
	if c.began {
		return nil, nil, errors.New("client: " + caller + " after process started")
	}
	return os.Pipe()
}
