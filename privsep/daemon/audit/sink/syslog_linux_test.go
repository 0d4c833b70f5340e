package sink

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/filters"
)

// listener is a syslog that says what it got and never waits.
type listener int

func listen(t *testing.T, path string) listener {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	}
	if err != nil {
		t.Fatal(err)
	}
	return listener(fd)
}

func (l listener) got(t *testing.T) (all []string) {
	t.Helper()
	for b := make([]byte, 64<<10); ; {
		n, err := unix.Read(int(l), b)
		if err == unix.EAGAIN {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(b[:n]))
	}
}

func (l listener) close(path string) { unix.Close(int(l)); os.Remove(path) }

// The names are those that filters takes from rootwrap.conf, and the numbers those of Python's SysLogHandler.
func TestFacilitiesAndLevels(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := listen(t, path)
	defer l.close(path)
	numbers := map[string]int{"auth": 4, "LOG_AUTHPRIV": 10, "console": 14, "LOG_CRON": 9, "daemon": 3, "ftp": 11, "kern": 0, "lpr": 6, "mail": 2,
		"news": 7, "ntp": 12, "security": 13, "solaris-cron": 15, "syslog": 5, "user": 1, "uucp": 8, "local0": 16, "local1": 17,
		"local2": 18, "LOG_LOCAL3": 19, "local4": 20, "local5": 21, "local6": 22, "local7": 23}
	levels := map[string]struct{ allowed, refused bool }{"critical": {}, "FATAL": {}, "error": {refused: true}, "WARN": {refused: true},
		"warning": {refused: true}, "INFO": {true, true}, "debug": {true, true}, "NOTSET": {true, true}}
	for facility, number := range numbers {
		for level, sent := range levels {
			text := fmt.Sprintf("[DEFAULT]\nfilters_path=/x\nuse_syslog=1\nsyslog_log_facility=%s\nsyslog_log_level=%s\n", facility, level)
			cfg, _, err := filters.ParseConfig("r.conf", []byte(text), true)
			if err != nil {
				t.Fatal(err)
			}
			s, err := openSyslog(logger{path: path}, cfg.SyslogFacility, cfg.SyslogLevel)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(s.put([]byte("allowed"), Info), s.put([]byte("refused"), Error)); err != nil {
				t.Error(err)
			}
			s.Close()
			var want []string
			if sent.allowed {
				want = append(want, fmt.Sprintf("<%d>privhelper[%d]: allowed", 8*number+6, os.Getpid()))
			}
			if sent.refused {
				want = append(want, fmt.Sprintf("<%d>privhelper[%d]: refused", 8*number+3, os.Getpid()))
			}
			if got := l.got(t); !slices.Equal(got, want) {
				t.Errorf("facility %s, level %s: %q, want %q", facility, level, got, want)
			}
		}
	}
	if len(numbers) != len(facilities) || len(levels) != len(leastSevere) {
		t.Errorf("%d of %d facilities and %d of %d levels are tested", len(numbers), len(facilities), len(levels), len(leastSevere))
	}
}

// A machine without syslog, one that starts it later, one that starts it again, and one whose syslog does not read:
// nothing waits, nothing fails, and what was lost is said.
func TestSyslogComesAndGoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	s, err := openSyslog(logger{path: path}, "authpriv", "INFO")
	if err != nil {
		t.Fatal(err)
	}
	log := &Sink{lanes: []*lane{{to: s}}}
	defer log.Close()
	say := func(word string) { log.Write([]byte(strconv.Quote(word)), Info) }
	want := func(l listener, texts ...string) {
		t.Helper()
		got := l.got(t)
		if len(got) != len(texts) {
			t.Fatalf("%d messages, want %d: %q", len(got), len(texts), got)
		}
		for i, text := range texts {
			if !strings.Contains(got[i], text) {
				t.Errorf("%q; want %q in it", got[i], text)
			}
		}
	}
	say("one")
	say("two")
	l := listen(t, path)
	say("three")
	want(l, `"lost", "lines": 2`, `"three"`)
	l.close(path)
	say("four")
	l = listen(t, path)
	say("five")
	want(l, `"lost", "lines": 1`, `"five"`)
	for range 10_000 {
		say("many")
	}
	lost := log.Lost()
	if lost < 1000 {
		t.Error("the kernel keeps 10,000 messages that nobody reads: this test shows nothing")
	}
	l.got(t)
	say("last")
	want(l, `"lost", "lines": `, `"last"`)
	if log.Lost() != lost {
		t.Errorf("%d were lost, then %d", lost, log.Lost())
	}
	l.close(path)
}

func TestOpenSyslogRefuses(t *testing.T) {
	for _, c := range [][2]string{{"none", "INFO"}, {"LOCAL3", "INFO"}, {"local3", "info"}, {"local3", "LOUD"}} {
		if s, err := openSyslog(logger{path: "/nonexistent"}, c[0], c[1]); err == nil {
			s.Close()
			t.Errorf("facility %q, level %q: no error", c[0], c[1])
		}
	}
}

// The journal's own protocol: one field a line, the line of the log whole.
func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	l := listen(t, path)
	defer l.close(path)
	s, err := openSyslog(logger{path, true}, "authpriv", "INFO")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	line := []byte(`{"decision": "match"}`)
	if err := s.put(line, Info); err != nil {
		t.Fatal(err)
	}
	want := []string{"SYSLOG_IDENTIFIER=privhelper\nPRIORITY=6\nSYSLOG_FACILITY=10\nMESSAGE={\"decision\": \"match\"}\n"}
	if got := l.got(t); !slices.Equal(got, want) || string(line) != `{"decision": "match"}` {
		t.Errorf("%q, want %q", got, want)
	}
	large := strings.Repeat("x", 8<<10) // the longest line fits into one message
	if err := s.put([]byte(large), Info); err != nil {
		t.Error(err)
	}
	if got := l.got(t); len(got) != 1 || !strings.Contains(got[0], large) {
		t.Errorf("%d messages", len(got))
	}
}
