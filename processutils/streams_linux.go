package processutils

import (
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// streams are the three standard streams of one command: the ends that it gets, and ours.
type streams struct {
	child [3]uintptr
	ours  []int       // of child, what is closed once it has them
	in    *descriptor // nil where nothing is fed
	out   *descriptor // nil where nothing is read
	err   *descriptor

	input io.Reader
	fed   chan error // the feeder's error, once it has ended
}

// open makes what the Cmd asks for.
func (s *streams) open(a *Attempt) (err error) {
	c := &a.cmd
	if c.Stdin != nil {
		s.child[0] = c.Stdin.Fd()
	} else {
		if s.input, err = a.Input(); err != nil {
			return err
		}
		if s.child[0], s.in, err = s.pipeOrNull(s.input != nil, os.O_RDONLY); err != nil {
			return err
		}
	}
	if s.child[1], s.out, err = s.output(c.Bound, c.Stdout); err != nil {
		return err
	}
	if c.MergeStderr {
		s.child[2] = s.child[1]
		return nil
	}
	s.child[2], s.err, err = s.output(c.Bound, c.Stderr)
	return err
}

// output is the command's end of an output stream, and ours, or nil where nothing is read.
func (s *streams) output(bound int, tee io.Writer) (theirs uintptr, ours *descriptor, err error) {
	if f, ok := tee.(*os.File); ok && bound < 0 {
		return f.Fd(), nil, nil
	}
	return s.pipeOrNull(bound >= 0 || tee != nil, os.O_WRONLY)
}

func (s *streams) pipeOrNull(pipe bool, theirMode int) (theirs uintptr, ours *descriptor, err error) {
	var fd int
	if pipe {
		var p [2]int
		err = os.NewSyscallError("pipe2", unix.Pipe2(p[:], unix.O_CLOEXEC))
		fd, ours = p[1], &descriptor{fd: p[0]}
		if theirMode == os.O_RDONLY {
			fd, ours = p[0], &descriptor{fd: p[1]}
		}
	} else {
		fd, err = unix.Open(os.DevNull, theirMode|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return 0, nil, err
	}
	s.ours = append(s.ours, fd)
	return uintptr(fd), ours, nil
}

// forked closes what the command has now, and begins to feed it.
func (s *streams) forked() {
	s.closeOurs()
	if s.in != nil {
		s.fed = make(chan error, 1)
		go s.feed()
	}
}

func (s *streams) closeOurs() {
	for _, fd := range s.ours {
		unix.Close(fd)
	}
	s.ours = nil
}

// feed copies the input. That the command does not want all of it is no error.
func (s *streams) feed() {
	var err error
	if to := s.in.poll(); to != nil {
		_, err = io.Copy(to, s.input)
	}
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, os.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	s.fed <- err // before the end of the input, after which the command may end
	s.in.close()
	if c, ok := s.input.(io.Closer); ok {
		c.Close()
	}
}

// shortCommand is how many milliseconds the streams are read by one thread, without Go's poller and its goroutines: that
// is 5 % of what a short command costs, and a thread held so long is nothing.
const shortCommand = 20

// drain reads both output streams to their end, or until they are given up.
func (s *streams) drain(a *Attempt) {
	out, err := s.out, s.err
	if a.cmd.Stdout == nil && a.cmd.Stderr == nil { // a writer that blocks must not keep the other stream from being read
		out, err = drainShort(a, out, err)
	}
	var other sync.WaitGroup
	if err != nil {
		other.Go(func() { readInto(a.Stderr, err) })
	}
	if out != nil {
		readInto(a.Stdout, out)
	}
	other.Wait()
}

// inputError is the feeder's error. That a Read of the input hangs, or that it was left unread, is none.
func (s *streams) inputError() error {
	select {
	case err := <-s.fed: // never, where nothing is fed
		return err
	default:
		return nil
	}
}

// drainShort reads both streams for shortCommand, and returns those that have not come to their end.
func drainShort(a *Attempt, out, err *descriptor) (moreOut, moreErr *descriptor) {
	left := [2]*descriptor{out, err}
	fds := [2]unix.PollFd{{Fd: out.number(), Events: unix.POLLIN}, {Fd: err.number(), Events: unix.POLLIN}} // -1 is passed over
	to := [2]*Capture{a.Stdout, a.Stderr}
	var buf [4 << 10]byte
	until := time.Now().Add(shortCommand * time.Millisecond)
	for left[0] != nil || left[1] != nil {
		rest := int(time.Until(until) / time.Millisecond)
		if rest <= 0 {
			break
		}
		if _, err := unix.Poll(fds[:], rest); err != nil && err != unix.EINTR {
			break
		}
		for i, d := range left {
			if d == nil || fds[i].Revents == 0 {
				continue
			}
			n, err := d.read(buf[:])
			if n > 0 {
				to[i].Write(buf[:n])
			} else if err == nil {
				d.close() // now, while the command is about to end
				left[i], fds[i].Fd = nil, -1
			}
		}
	}
	return left[0], left[1]
}

func readInto(c *Capture, d *descriptor) {
	f := d.poll()
	if f == nil {
		return
	}
	buf := make([]byte, 4<<10)
	for {
		n, err := f.Read(buf)
		if n > 0 {
			c.Write(buf[:n])
		}
		if err != nil {
			return
		}
		if n == len(buf) && n < 64<<10 {
			buf = make([]byte, 64<<10)
		}
	}
}

// giveUp ends all copying.
func (s *streams) giveUp() {
	s.out.giveUp()
	s.err.giveUp()
	s.in.giveUp()
}

// close closes what is open still. The feeder may hang in a Read of the input: that is closed too, where it can be.
func (s *streams) close() {
	s.closeOurs()
	s.out.close()
	s.err.close()
	s.in.close()
	if c, ok := s.input.(io.Closer); ok && s.fed != nil {
		c.Close()
	}
}

// holdersTime bounds the search for who holds a pipe.
const holdersTime = 200 * time.Millisecond

// holders returns the processes that hold the other ends of the output pipes and are younger than the command, as far as
// we may look and as far as it is done in time. Children that this process is about to make hold everything for a moment,
// until they execute: what still is this program is left out.
func (s *streams) holders(main int) (found []int) {
	wanted := map[string]bool{}
	for _, d := range []*descriptor{s.out, s.err} {
		if name, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(d.number()))); err == nil {
			wanted[name] = true // pipe:[12345]
		}
	}
	command, ok := readStat(main)
	all := pids()
	slices.Sort(all)
	first, _ := slices.BinarySearch(all, main) // the likely ones were numbered after it
	until := time.Now().Add(holdersTime)
	for _, pid := range append(all[first:len(all):len(all)], all[:first]...) {
		if !ok || time.Now().After(until) {
			break
		}
		p, ok := readStat(pid)
		if !ok || p.start < command.start || p.dead() || p.ppid == os.Getpid() && sameProgram(pid) {
			continue
		}
		dir := "/proc/" + strconv.Itoa(pid) + "/fd"
		names, _ := readNames(dir)
		if slices.ContainsFunc(names, func(name string) bool {
			target, err := os.Readlink(dir + "/" + name)
			return err == nil && wanted[target]
		}) {
			found = append(found, pid)
		}
	}
	return found
}

func sameProgram(pid int) bool {
	own, err := os.Readlink("/proc/self/exe")
	other, otherErr := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	return err == nil && otherErr == nil && own == other
}
