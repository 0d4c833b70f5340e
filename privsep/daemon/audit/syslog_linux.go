package audit

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// devLog is where every syslog and journald listens.
const devLog = "/dev/log"

// facilities by the names that rootwrap.conf uses, with the numbers of Python's SysLogHandler, which are syslog(3)'s.
var facilities = map[string]int{
	"kern": 0, "user": 1, "mail": 2, "daemon": 3, "auth": 4, "syslog": 5, "lpr": 6, "news": 7, "uucp": 8, "cron": 9,
	"authpriv": 10, "ftp": 11, "ntp": 12, "security": 13, "console": 14, "solaris-cron": 15,
	"local0": 16, "local1": 17, "local2": 18, "local3": 19, "local4": 20, "local5": 21, "local6": 22, "local7": 23,
}

// Severities of syslog(3). rootwrap logs a command that runs as INFO and everything else as ERROR.
const (
	severityError = 3
	severityInfo  = 6
)

// leastSevere says for each level of rootwrap.conf which severities are sent: those up to this number. Python's names, as
// in logging; CRITICAL leaves nothing of a decision.
var leastSevere = map[string]int{
	"CRITICAL": 2, "FATAL": 2, "ERROR": severityError, "WARN": 4, "WARNING": 4,
	"INFO": severityInfo, "DEBUG": 7, "NOTSET": 7,
}

// syslog sends lines to a datagram socket and never waits: what does not fit, or finds nobody, is lost and counted. The
// package log/syslog is not used: it brings net into the root process.
type syslog struct {
	path      string
	fd        int
	connected bool
	facility  int
	least     int
	lost      int
}

// openSyslog takes a facility and a level as filters.Config has them. That nobody listens at path is no error: each
// line tries again.
func openSyslog(path, facility, level string) (*syslog, error) {
	number, known := facilities[facility]
	least, knownLevel := leastSevere[level]
	if !known || !knownLevel {
		return nil, fmt.Errorf("syslog: facility %q, level %q: one of them is not known", facility, level)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	s := &syslog{path: path, fd: fd, facility: number, least: least}
	s.connect()
	return s, nil
}

func (s *syslog) connect() {
	s.connected = unix.Connect(s.fd, &unix.SockaddrUnix{Name: s.path}) == nil
}

// send writes one line as one message, if its level is asked for.
func (s *syslog) send(line []byte, allowed bool) {
	severity := severityError
	if allowed {
		severity = severityInfo
	}
	if severity > s.least {
		return
	}
	if s.lost > 0 {
		if !s.message(severityError, fmt.Appendf(nil, `{"event": "lost", "lines": %d}`, s.lost)) {
			s.lost++
			return
		}
		s.lost = 0
	}
	if !s.message(severity, line) {
		s.lost++
	}
}

// message reports whether the other side has it. A syslog that was started again has a new socket at the old path.
func (s *syslog) message(severity int, text []byte) bool {
	packet := append(fmt.Appendf(nil, "<%d>privhelper[%d]: ", s.facility<<3|severity, os.Getpid()), text...)
	for again := range 2 {
		if !s.connected || again > 0 {
			s.connect()
		}
		err := unix.Send(s.fd, packet, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		if err == nil || errors.Is(err, unix.EAGAIN) { // its queue is full: it is there
			return err == nil
		}
	}
	return false
}

// Close gives the socket back.
func (s *syslog) Close() error { return os.NewSyscallError("close", unix.Close(s.fd)) }
