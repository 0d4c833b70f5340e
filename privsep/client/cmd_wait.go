package client

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// Wait waits for the command and for the copying of its streams. A command that did not succeed gives an *ExitError; a
// connection that broke gives a *privsep.CallError. One that succeeds after its context ended and Cancel was called gives
// the context's error, or Cancel's; one whose copying did not end within WaitDelay gives exec.ErrWaitDelay.
func (c *Cmd) Wait() error {
	if !c.running {
		return errors.New("client: not started")
	}
	if c.finished {
		return errors.New("client: Wait was already called")
	}
	c.finished = true
	<-c.ended
	err := c.err
	if err == nil {
		c.ProcessState = &ProcessState{result: c.result}
		if !c.ProcessState.Success() {
			err = &ExitError{ProcessState: c.ProcessState}
		}
	}
	var w watched
	if c.watched != nil {
		w = <-c.watched
		if err == nil {
			err = w.err
		}
	}
	if copyErr := c.finish(w.limit); err == nil {
		err = copyErr
	}
	return err
}

// watched is what came of the end of the command's context.
type watched struct {
	err   error            // for a command that succeeded all the same
	limit <-chan time.Time // the end of WaitDelay, which has begun; nil: it has not
}

// watch calls Cancel when the context ends, and kills the command if that did not help within WaitDelay.
func (c *Cmd) watch(giveUp func()) (w watched) {
	select {
	case <-c.ended:
		return w
	case <-c.ctx.Done():
	}
	if c.Cancel != nil {
		switch err := c.Cancel(); {
		case err == nil:
			w.err = c.ctx.Err()
		case !errors.Is(err, os.ErrProcessDone):
			w.err = fmt.Errorf("client: canceling Cmd: %w", err)
		}
	}
	if c.WaitDelay == 0 {
		return w
	}
	timer := time.NewTimer(c.WaitDelay)
	w.limit = timer.C
	select {
	case <-c.ended:
		return w
	case <-timer.C:
	}
	over := make(chan time.Time)
	close(over)
	w.limit = over
	if err := c.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		w.err = fmt.Errorf("client: killing Cmd: %w", err)
	}
	// The helper answers now, or it never does.
	answers := time.NewTimer(c.client.cfg.CancelWait)
	defer answers.Stop()
	select {
	case <-c.ended:
	case <-answers.C:
		giveUp()
	}
	return w
}

// begin starts the copying of streams that are no files.
func (c *Cmd) begin() {
	c.copied = make(chan error, len(c.copying))
	for _, copy := range c.copying {
		go func() { c.copied <- copy() }()
	}
}

// finish waits for the copying, until limit or where that is nil at most WaitDelay long, and closes our ends of pipes.
func (c *Cmd) finish(limit <-chan time.Time) (err error) {
	if limit == nil && c.WaitDelay > 0 {
		timer := time.NewTimer(c.WaitDelay)
		defer timer.Stop()
		limit = timer.C
	}
	for range c.copying {
		select {
		case e := <-c.copied: // first: limit may be over for long
			err = firstOf(err, e)
			continue
		default:
		}
		select {
		case e := <-c.copied:
			err = firstOf(err, e)
		case <-limit:
			limit = nil
			c.release() // closing our ends ends the copying
			<-c.copied
			err = exec.ErrWaitDelay
		}
	}
	c.release()
	return err
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// release closes every descriptor that is ours.
func (c *Cmd) release() {
	closeAll(c.theirs)
	for _, f := range c.ours {
		f.Close()
	}
	c.theirs, c.ours = nil, nil
}
