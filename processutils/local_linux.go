package processutils

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"syscall"
	"time"
)

// running is one command between its fork and the end of Run.
type running struct {
	a       *Attempt
	process *process
	mark    mark
	birth   birth
	streams streams
	reach   reach

	ended   chan struct{} // closed when the main process is dead and its streams are at their end, or given up
	leave   chan struct{} // closed by stop when nothing is waited for any more
	stopped chan struct{} // closed when stop has returned; it alone writes the next two
	struck  bool          // stop found something to do
	first   bool          // the command had ended by itself before stop came: something else held its streams
	left    []int         // what lives on, the main process not counted
}

// runLocal is the life of one command.
func runLocal(a *Attempt) (Result, error) {
	r := &running{a: a, ended: make(chan struct{}), leave: make(chan struct{}), stopped: make(chan struct{})}
	if stage, err := r.start(); err != nil {
		r.streams.close()
		if r.reach != nil {
			r.reach.release()
		}
		return a.End(Status{Code: -1}, stage, err)
	}
	a.Started(Process{PID: r.process.pid, Signal: r.process.whole.Signal})
	keep := context.AfterFunc(a.Context, func() {
		r.stop()
		close(r.stopped)
	})
	left := r.drain()
	dead := r.process.pidfd.waitDead()
	close(r.ended)
	if !keep() {
		<-r.stopped
		left = append(left, r.left...)
	}
	return r.finish(dead, left)
}

// drain reads the streams until their end, or until Cmd.Drain has gone by after the main process's end; then it returns
// who holds them.
func (r *running) drain() (left []int) {
	c := &r.a.cmd
	if c.Drain <= 0 && c.Stdout == nil && c.Stderr == nil {
		r.streams.drain(r.a)
		return nil
	}
	eof := make(chan struct{})
	go func() { // which may hang in a Write of the caller's
		r.streams.drain(r.a)
		close(eof)
	}()
	if c.Drain > 0 && r.process.pidfd.waitDead() {
		select {
		case <-eof:
		case <-time.After(c.Drain):
			left = r.streams.holders(r.process.pid)
			r.streams.giveUp()
			select {
			case <-eof:
			case <-time.After(leaveTime):
			}
			return left
		}
	}
	select {
	case <-eof:
	case <-r.leave:
	}
	return left
}

// leaveTime is how long what was given up may take to notice. A Write of the caller's that hangs does not.
const leaveTime = 50 * time.Millisecond

// killTime bounds the killing, so that Run returns within a second of the grace, what remains looked up and reported.
const killTime = 500 * time.Millisecond

// stop ends the command because its time is up.
func (r *running) stop() {
	select {
	case <-r.ended:
		return
	default:
	}
	r.struck, r.first = true, r.process.pidfd.ready(0)
	gone := func() bool { return r.process.pidfd.ready(0) && r.reach.gone() }
	kill := true
	if grace := r.a.cmd.Stop.grace(); grace > 0 {
		r.reach.ask(r.a.cmd.Stop.signal())
		kill = !within(time.Now().Add(grace), gone)
	}
	if kill {
		until := time.Now().Add(killTime)
		r.reach.kill(until)
		if !within(until, gone) {
			r.left = r.reach.left()
		}
	}
	select {
	case <-r.ended:
	case <-time.After(20 * time.Millisecond): // for what is in the pipes still
		r.left = append(r.left, r.streams.holders(r.process.pid)...)
		r.streams.giveUp()
	}
	r.process.pidfd.giveUp()
	select {
	case <-r.ended:
	case <-time.After(leaveTime):
		close(r.leave)
	}
}

// within waits until done is true, no longer than until, and reports whether it is. What it waits for shows nowhere but in
// /proc.
func within(until time.Time, done func() bool) bool {
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		if done() {
			return true
		}
		rest := time.Until(until)
		if rest <= 0 {
			return false
		}
		time.Sleep(min(pause, rest))
	}
}

// finish reaps the main process and judges it.
func (r *running) finish(dead bool, left []int) (Result, error) {
	left = append(left, r.reach.release()...)
	if err := r.streams.inputError(); err != nil { // asked before close makes one of its own
		r.a.StreamFailed(fmt.Errorf("read its input: %w", err))
	}
	r.streams.close()
	r.process.pidfd.close()
	cause := ended(r.a.Context)
	if !dead {
		left = append(left, r.process.pid)
		go r.process.whole.Wait() // it is a zombie then, some day
	}
	slices.Sort(left)
	r.a.Survived(slices.Compact(left)...) // one that lives and holds a stream was found twice
	if !dead {
		return r.a.End(Status{Code: -1}, StageDeadline, fmt.Errorf("%w, and the command could not be ended", cause))
	}
	state, err := r.process.whole.Wait()
	if err != nil {
		return r.a.End(Status{Code: -1}, StageWait, fmt.Errorf("wait for the command: %w", err))
	}
	ws := state.Sys().(syscall.WaitStatus)
	status := Status{Code: ws.ExitStatus(), CoreDumped: ws.CoreDump(), Sys: ws}
	if ws.Signaled() {
		status.Signal = ws.Signal()
	}
	usage := Usage{User: state.UserTime(), System: state.SystemTime()}
	if ru, ok := state.SysUsage().(*syscall.Rusage); ok {
		usage.MaxRSS = int64(ru.Maxrss) << 10
	}
	r.a.Used(usage)
	switch {
	case r.struck && r.first:
		return r.a.End(status, StageDeadline, fmt.Errorf("%w, after the command's own end (%v): %w", cause, status, ErrDrain))
	case r.struck:
		return r.a.End(status, StageDeadline, fmt.Errorf("%w: %w", cause, &exec.ExitError{ProcessState: state}))
	case !state.Success():
		return r.a.End(status, StageWait, &exec.ExitError{ProcessState: state})
	}
	return r.a.End(status, StageWait, nil)
}
