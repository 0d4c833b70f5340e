// Package sink carries the lines of an audit log to where they are kept: a file, syslog or the journal. It runs as root.
// All of it is opened before the helper confines itself.
//
//	s, err := sink.Open(sink.Options{File: "/var/log/privhelper/net.log", Rest: os.Stderr})
//	s.Write(line, sink.Info) // has come to the file, or a quarter of a second has passed
//	s.Post(line, sink.Info)  // will come to the file
//
// A file on a full disk, a pipe that nobody reads or a journal that has stopped holds nobody up without bound. What they
// do not take is lost, counted, and said in a line of its own as soon as one is taken again:
// {"time": "…", "event": "lost", "lines": 3}.
package sink

import (
	"errors"
	"io"
	"runtime"
	"time"
)

// Options say where lines go. The zero value: nowhere.
type Options struct {
	// File is an absolute path; it is opened with O_APPEND, and made with mode 0600 if it is not there. Empty: none.
	File string
	// Syslog sends lines to the journal where /dev/log is journald's, and else to /dev/log.
	Syslog bool
	// Facility and Level are syslog's, as rootwrap.conf writes them: "authpriv", "INFO". Empty: "syslog" and "ERROR".
	Facility, Level string
	// Rest takes the lines where no File does. Nil: nobody. It stays the caller's, and is written to by one goroutine at a
	// time, which may outlive a call of Close that Rest holds up.
	Rest io.Writer
}

// A Severity is syslog's number.
type Severity int

// What an audit log has: rootwrap logs a command that runs as INFO and everything else as ERROR.
const (
	Error Severity = 3
	Info  Severity = 6
)

// A Sink takes lines. The zero Sink and a nil one drop them. It is safe for concurrent use.
type Sink struct {
	lanes []*lane
	file  *file // that of the first lane; nil: none
}

// patience is how long Write waits for a line to be taken. It is more than a loaded machine needs, and what a caller whose
// log hangs pays once: until it is taken nobody waits for another.
const patience = 250 * time.Millisecond

// To returns a Sink that writes to out alone; nil drops all.
func To(out io.Writer) *Sink {
	s := &Sink{}
	if out != nil {
		s.lanes = []*lane{{to: &stream{out: out}}}
	}
	return s
}

// Write has a line, without its newline, taken by everybody, and waits for that, but not longer than a quarter of a
// second. The caller must not change it afterwards.
func (s *Sink) Write(line []byte, severity Severity) {
	if s == nil || len(s.lanes) == 0 {
		return
	}
	taken := make(chan struct{}, len(s.lanes))
	waits := 0
	for _, l := range s.lanes {
		if l.add(item{line: line, severity: severity, taken: taken}) {
			waits++
		}
	}
	if waits == 0 {
		return
	}
	runtime.Gosched() // to the lanes, which mostly are done when it comes back: a timer would wake the poller too
	for len(taken) > 0 {
		<-taken
		waits--
	}
	if waits == 0 {
		return
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for range waits {
		select {
		case <-taken:
		case <-timer.C:
			for _, l := range s.lanes {
				l.hangs()
			}
			return
		}
	}
}

// Post is Write for a line that nobody needs to wait for.
func (s *Sink) Post(line []byte, severity Severity) {
	if s == nil {
		return
	}
	for _, l := range s.lanes {
		l.add(item{line: line, severity: severity})
	}
}

// Reopen opens File anew by its name, in the folder that Open has found: for a log that was renamed. The lines before go
// to the old file. Where that fails the old one is kept, and takes a line that says why. It does not wait.
func (s *Sink) Reopen() {
	if s != nil && s.file != nil {
		s.lanes[0].add(item{do: s.file.reopen})
	}
}

// Lost is how many lines were not taken, each once for each that did not take it.
func (s *Sink) Lost() (n uint64) {
	if s == nil {
		return 0
	}
	for _, l := range s.lanes {
		n += l.count()
	}
	return n
}

// Close waits for lines that are under way, for a second at most, and gives back what Open has opened. Lines after it are
// lost.
func (s *Sink) Close() error {
	if s == nil {
		return nil
	}
	limit := time.NewTimer(time.Second)
	defer limit.Stop()
	var errs []error
	for _, l := range s.lanes {
		select {
		case <-l.close():
			errs = append(errs, l.to.Close())
		case <-limit.C:
			return errors.Join(append(errs, errors.New("audit log: it takes no lines"))...) // what hangs cannot be closed
		}
	}
	return errors.Join(errs...)
}
