package sink

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Where every syslog listens; where journald does, as /dev/log and in its own protocol.
const (
	devLog      = "/dev/log"
	journalLog  = "/run/systemd/journal/dev-log"
	journalOwn  = "/run/systemd/journal/socket"
	fieldsStart = "SYSLOG_IDENTIFIER=privhelper\n"
)

// A logger is somebody who takes log messages at a socket.
type logger struct {
	path    string
	journal bool // the journal's native protocol: no line is cut, and none passes for another program's
}

// systemLog is the journal where /dev/log is journald's, and whoever else listens there.
func systemLog() logger {
	if to, err := os.Readlink(devLog); err == nil && to == journalLog {
		return logger{journalOwn, true}
	}
	return logger{devLog, false}
}

// facilities by the names that rootwrap.conf uses, with the numbers of Python's SysLogHandler, which are syslog(3)'s.
var facilities = map[string]int{
	"kern": 0, "user": 1, "mail": 2, "daemon": 3, "auth": 4, "syslog": 5, "lpr": 6, "news": 7, "uucp": 8, "cron": 9,
	"authpriv": 10, "ftp": 11, "ntp": 12, "security": 13, "console": 14, "solaris-cron": 15,
	"local0": 16, "local1": 17, "local2": 18, "local3": 19, "local4": 20, "local5": 21, "local6": 22, "local7": 23,
}

// leastSevere says for each level of rootwrap.conf which severities are sent: those up to this number. Python's names, as
// in logging; CRITICAL leaves nothing of a decision.
var leastSevere = map[string]Severity{
	"CRITICAL": 2, "FATAL": 2, "ERROR": Error, "WARN": 4, "WARNING": 4,
	"INFO": Info, "DEBUG": 7, "NOTSET": 7,
}

// syslog sends lines to a datagram socket. Where nobody listens it does not wait, and where its queue is full not for long.
// The package log/syslog is not used: it brings net into the root process.
type syslog struct {
	to        logger
	fd        int
	connected bool
	full      bool // the last line found no room in time: the next does not wait
	facility  int
	least     Severity
}

// openSyslog takes a facility and a level as filters.Config has them, or empty. That nobody listens is no error: each line
// tries again.
func openSyslog(to logger, facility, level string) (*syslog, error) {
	if facility == "" {
		facility = "syslog"
	}
	if level == "" {
		level = "ERROR"
	}
	number, known := facilities[facility]
	least, knownLevel := leastSevere[level]
	if !known || !knownLevel {
		return nil, fmt.Errorf("syslog: facility %q, level %q: one of them is not known", facility, level)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	s := &syslog{to: to, fd: fd, facility: number, least: least}
	_ = s.connect()
	return s, nil
}

func (s *syslog) connect() error {
	err := unix.Connect(s.fd, &unix.SockaddrUnix{Name: s.to.path})
	s.connected = err == nil
	return err
}

// packet is one line as the other side reads it: syslog(3)'s header before it, or the fields of
// systemd.journal-fields(7), none of which has a newline in it.
func (s *syslog) packet(line []byte, severity Severity) []byte {
	if s.to.journal {
		return append(fmt.Appendf(nil, fieldsStart+"PRIORITY=%d\nSYSLOG_FACILITY=%d\nMESSAGE=", severity, s.facility), append(line[:len(line):len(line)], '\n')...)
	}
	return append(fmt.Appendf(nil, "<%d>privhelper[%d]: ", s.facility<<3|int(severity), os.Getpid()), line...)
}

// put sends one line as one message, if its severity is asked for.
func (s *syslog) put(line []byte, severity Severity) error {
	if severity > s.least {
		return nil
	}
	packet := s.packet(line, severity)
	err := s.send(packet)
	if errors.Is(err, unix.EAGAIN) && !s.full && s.room() {
		err = s.send(packet)
	}
	s.full = errors.Is(err, unix.EAGAIN)
	return os.NewSyscallError("send", err)
}

// send connects again where it must: a syslog that was started again has a new socket at the old path.
func (s *syslog) send(packet []byte) error {
	if s.connected {
		err := unix.Send(s.fd, packet, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		if err == nil || errors.Is(err, unix.EAGAIN) {
			return err
		}
	}
	if err := s.connect(); err != nil {
		return err
	}
	return unix.Send(s.fd, packet, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
}

// room waits until the other side's queue has some: journald takes hundreds of messages between two looks at its socket,
// a syslog with the kernel's default of ten may be a moment late.
func (s *syslog) room() bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLOUT}}, int((patience / 2).Milliseconds()))
	return n > 0 || errors.Is(err, unix.EINTR)
}

// Close gives the socket back.
func (s *syslog) Close() error { return os.NewSyscallError("close", unix.Close(s.fd)) }
