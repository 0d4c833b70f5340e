package service_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/privhelper/privhelper/internal/testenv"
)

// A folder that somebody else could write to, or has replaced, is refused, and what is no socket is left alone.
func TestRuntimeFolder(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(r *running, dir string) error // and says where to listen
		says    string
	}{
		"writable by all": {func(r *running, dir string) error { return os.Chmod(dir, 0o777) }, "is writable by everybody"},
		"sticky":          {func(r *running, dir string) error { return os.Chmod(dir, 0o777|os.ModeSticky) }, "is writable by everybody"},
		"somebody else's": {func(r *running, dir string) error { return os.Chown(dir, testenv.Nobody, 0) }, "belongs to"},
		"replaced by a link": {func(r *running, dir string) error {
			if err := os.Remove(dir); err != nil {
				return err
			}
			if err := os.Mkdir(dir+"-of-nobody", 0o755); err != nil {
				return err
			}
			if err := os.Chown(dir+"-of-nobody", testenv.Nobody, 0); err != nil {
				return err
			}
			return os.Symlink(dir+"-of-nobody", dir)
		}, "belongs to"},
		"missing": {func(r *running, dir string) error { return os.Remove(dir) }, "does not exist: make it"},
		"a file":  {func(r *running, dir string) error { return os.WriteFile(filepath.Join(dir, "socket"), nil, 0o600) }, "no socket: remove it"},
		"a link":  {func(r *running, dir string) error { return os.Symlink("/run/elsewhere", filepath.Join(dir, "socket")) }, "no socket: remove it"},
	} {
		t.Run(name, func(t *testing.T) {
			r := prepare(t, "")
			dir := filepath.Join(filepath.Dir(r.config), "folder")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := c.prepare(r, dir); err != nil {
				t.Fatal(err)
			}
			r.cmd.Args[3] = filepath.Join(dir, "socket")
			r.begin()
			if code := r.end(); code != 97 || !strings.Contains(r.said(), c.says) {
				t.Errorf("exit code %d: %s", code, r.said())
			}
		})
	}
}

// What a service that was killed left is taken over; what one that lives has is not.
func TestSocketInUse(t *testing.T) {
	r := start(t, "")
	second := testenv.Child(t, "", "service", r.config, r.socket)
	if out, err := second.CombinedOutput(); err == nil || !strings.Contains(string(out), "a service listens there already") {
		t.Errorf("%v: %s", err, out)
	}
	r.mustDial().Close()
	if err := r.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	r.end()
	third := &running{t: t, config: r.config, socket: r.socket, ended: make(chan struct{}), notes: r.notes}
	third.cmd = testenv.Child(t, "", "service", r.config, r.socket)
	third.cmd.Stderr = third
	third.cmd.Env = append(third.cmd.Env, "NOTIFY_SOCKET="+filepath.Join(filepath.Dir(r.config), "notify"))
	third.begin()
	third.note("READY=1")
	call(t, third.mustDial(), pid, struct{}{})
}

// What systemd hands in must be one listening Unix socket, for this process.
func TestInherited(t *testing.T) {
	dir := folder(t)
	python := testenv.NeedProgram(t, "python3", "python3")
	self := testenv.Child(t, "").Path
	config := filepath.Join(dir, "config")
	if err := os.WriteFile(config, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ make, says string }{
		"nothing":       {"n = 0", `hands in "0" sockets`},
		"two":           {"n = 2", `hands in "2" sockets`},
		"not listening": {"s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1] + '/a')", "no listening Unix stream socket"},
		"TCP":           {"s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()", "no listening Unix stream socket"},
		"datagrams":     {"s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1] + '/b')", "no listening Unix stream socket"},
		"abstract":      {"s = socket.socket(socket.AF_UNIX); s.bind('\\0privhelper-test-' + str(os.getpid())); s.listen()", "the socket has no path"},
		"below /tmp":    {"import tempfile; s = socket.socket(socket.AF_UNIX); s.bind(tempfile.mkdtemp(dir='/tmp') + '/s'); s.listen()", "the socket's folder"},
	} {
		script := fmt.Sprintf("import os, socket, sys\nn = 1; s = None\n%s\nif s: os.dup2(s.fileno(), 3); os.set_inheritable(3, True)\nos.environ['LISTEN_FDS'] = str(n)\nos.execv(sys.argv[2], ['service', 'service', sys.argv[3], 'inherited'])", c.make)
		out, err := exec.Command(python, "-c", script, dir, self, config).CombinedOutput()
		if err == nil || !strings.Contains(string(out), c.says) {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}

// The watchdog hears of a service in time.
func TestWatchdog(t *testing.T) {
	r := prepare(t, "")
	const every = 400 * time.Millisecond
	r.cmd.Env = append(r.cmd.Env, fmt.Sprint("WATCHDOG_USEC=", every.Microseconds()))
	r.begin()
	r.note("READY=1")
	r.note("WATCHDOG=1")
	for range 3 {
		last := time.Now()
		r.note("WATCHDOG=1")
		if late := time.Since(last); late > every {
			t.Errorf("it was not heard of for %v", late)
		}
	}
}
