package processutils

import (
	"errors"
	"fmt"
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
	child [3]*os.File
	ours  []*os.File // of child, what is closed once it has them
	in    *os.File   // nil where nothing is fed
	out   *os.File   // nil where nothing is read
	err   *os.File

	input io.Reader
	fed   chan error // the feeder's error, once it has ended
}

// open makes what the Cmd asks for.
func (s *streams) open(a *Attempt) (err error) {
	c := &a.cmd
	if s.child[0] = c.Stdin; c.Stdin == nil {
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
func (s *streams) output(bound int, tee io.Writer) (theirs, ours *os.File, err error) {
	if f, ok := tee.(*os.File); ok && bound < 0 {
		return f, nil, nil
	}
	return s.pipeOrNull(bound >= 0 || tee != nil, os.O_WRONLY)
}

func (s *streams) pipeOrNull(pipe bool, theirMode int) (theirs, ours *os.File, err error) {
	if pipe {
		theirs, ours, err = newPipe(theirMode)
	} else {
		var null int
		if null, err = unix.Open(os.DevNull, theirMode|unix.O_CLOEXEC, 0); err == nil {
			theirs = os.NewFile(uintptr(null), os.DevNull)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	s.ours = append(s.ours, theirs)
	return theirs, ours, nil
}

// newPipe is os.Pipe without the command's end in Go's poller, where it would not stay.
func newPipe(theirMode int) (theirs, ours *os.File, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	if theirMode == os.O_RDONLY {
		p[0], p[1] = p[1], p[0]
	}
	if err := unix.SetNonblock(p[0], true); err != nil {
		unix.Close(p[0])
		unix.Close(p[1])
		return nil, nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(p[1]), "pipe"), os.NewFile(uintptr(p[0]), "pipe"), nil
}

// forked closes what the command has now, and begins to feed it.
func (s *streams) forked() {
	for _, f := range s.ours {
		f.Close()
	}
	s.ours = nil
	if s.in != nil {
		s.fed = make(chan error, 1)
		go s.feed()
	}
}

// feed copies the input. That the command does not want all of it is no error.
func (s *streams) feed() {
	_, err := io.Copy(s.in, s.input)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, os.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	s.fed <- err // before the end of the input, after which the command may end
	s.in.Close()
	if c, ok := s.input.(io.Closer); ok {
		c.Close()
	}
}

// drain reads both output streams to their end, or until they are given up.
func (s *streams) drain(a *Attempt) {
	var other sync.WaitGroup
	if s.err != nil {
		other.Go(func() { readInto(a.Stderr, s.err) })
	}
	if s.out != nil {
		readInto(a.Stdout, s.out)
	}
	other.Wait()
	if s.fed != nil {
		select {
		case err := <-s.fed:
			if err != nil {
				a.StreamFailed(fmt.Errorf("read its input: %w", err))
			}
		default: // a Read of it hangs, or the command left its input unread
		}
	}
}

func readInto(c *Capture, f *os.File) {
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

// giveUp ends all copying at that time.
func (s *streams) giveUp(at time.Time) {
	for _, f := range []*os.File{s.out, s.err} {
		if f != nil {
			f.SetReadDeadline(at)
		}
	}
	if s.in != nil {
		s.in.SetWriteDeadline(at)
	}
}

// close closes what is open still. The feeder closes its own end too: it may hang in a Read of the input.
func (s *streams) close() {
	for _, f := range append(s.ours, s.in, s.out, s.err) {
		if f != nil {
			f.Close()
		}
	}
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
	for _, f := range []*os.File{s.out, s.err} {
		if f == nil {
			continue
		}
		if info, err := f.Stat(); err == nil {
			if st, ok := info.Sys().(*syscall.Stat_t); ok {
				wanted["pipe:["+strconv.FormatUint(st.Ino, 10)+"]"] = true
			}
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
