package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/filters"
)

// facilities by the names that rootwrap.conf uses, with the numbers that Python's SysLogHandler gives them.
var facilities = map[string]int{"kern": 0, "user": 1, "mail": 2, "daemon": 3, "auth": 4, "syslog": 5, "lpr": 6, "news": 7,
	"uucp": 8, "cron": 9, "authpriv": 10, "ftp": 11, "ntp": 12, "security": 13, "console": 14, "solaris-cron": 15, "local0": 16, "local1": 17, "local2": 18, "local3": 19, "local4": 20, "local5": 21,
	"local6": 22, "local7": 23}

// openSyslog connects to /dev/log. log/syslog is not used: it brings the package net into the root process.
func openSyslog(cfg filters.Config) (io.Writer, error) {
	facility, known := facilities[cfg.SyslogFacility]
	if !known {
		return nil, fmt.Errorf("syslog_log_facility %s is none that Linux has", cfg.SyslogFacility)
	}
	if slices.Contains([]string{"CRITICAL", "FATAL"}, cfg.SyslogLevel) {
		return nil, nil // decisions are of a lower level
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	w := &syslog{file: os.NewFile(uintptr(fd), "/dev/log"), head: fmt.Sprintf("<%d>privhelper[%d]: ", facility<<3|5, os.Getpid())}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: "/dev/log"}); err != nil {
		return io.Discard, nil // no syslog on this machine: rootwrap ran without it too
	}
	return w, nil
}

type syslog struct {
	file *os.File
	head string
}

// Write sends one line as one message.
func (s *syslog) Write(p []byte) (int, error) {
	_, err := s.file.Write(append([]byte(s.head), bytes.TrimRight(p, "\n")...))
	return len(p), err
}
