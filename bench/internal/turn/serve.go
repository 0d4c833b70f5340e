package turn

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"
)

// An Op does what is measured once, for one of several callers that do it at the same time, numbered from 0, and says what it
// took.
type Op func(caller int) (time.Duration, error)

// Timed is the Op of a function that is measured from outside.
func Timed(f func() error) Op {
	return func(int) (time.Duration, error) {
		begin := time.Now()
		err := f()
		return time.Since(begin), err
	}
}

// Afterwards is Timed for a function that leaves behind what is to be ended unmeasured.
func Afterwards(f func() (end func() error, err error)) Op {
	return func(int) (time.Duration, error) {
		begin := time.Now()
		end, err := f()
		took := time.Since(begin)
		if err == nil {
			err = end()
		}
		return took, err
	}
}

// Batch is the Op of a function that takes less than reading the clock does: n calls, of which it gives the mean.
func Batch(n int, f func() error) Op {
	return func(int) (time.Duration, error) {
		begin := time.Now()
		for range n {
			if err := f(); err != nil {
				return 0, err
			}
		}
		return time.Since(begin) / time.Duration(n), nil
	}
}

// Serve answers turns until its input ends. It is the whole of a program that is measured, after its preparation.
func Serve(in io.Reader, out io.Writer, op Op) error {
	w := bufio.NewWriter(out)
	for lines := bufio.NewScanner(in); ; {
		if !lines.Scan() {
			return lines.Err()
		}
		var callers, milliseconds int
		if _, err := fmt.Sscan(lines.Text(), &callers, &milliseconds); err != nil {
			return fmt.Errorf("turn %q: %w", lines.Text(), err)
		}
		s, err := play(op, callers, time.Duration(milliseconds)*time.Millisecond)
		if err != nil {
			return err
		}
		b := strconv.AppendInt(nil, int64(s.Elapsed), 10)
		for _, d := range s.Each {
			b = strconv.AppendInt(append(b, ' '), int64(d), 10)
		}
		if _, err := w.Write(append(b, '\n')); err != nil {
			return err
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
}

// play repeats op in so many goroutines for as long as said, and at least once in each.
func play(op Op, callers int, long time.Duration) (Sample, error) {
	var group sync.WaitGroup
	each := make([][]time.Duration, callers)
	errs := make([]error, callers)
	begin := time.Now()
	for caller := range callers {
		group.Go(func() {
			for {
				d, err := op(caller)
				if err != nil {
					errs[caller] = err
					return
				}
				each[caller] = append(each[caller], d)
				if time.Since(begin) >= long {
					return
				}
			}
		})
	}
	group.Wait()
	s := Sample{Elapsed: time.Since(begin)}
	for caller := range callers {
		if errs[caller] != nil {
			return s, errs[caller]
		}
		s.Each = append(s.Each, each[caller]...)
	}
	return s, nil
}
