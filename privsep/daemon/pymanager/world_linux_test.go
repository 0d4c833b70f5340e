package pymanager

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/privsep/command"
)

// world is a server in this process, on a socket of the test's own.
type world struct {
	t      testing.TB
	server *server
	path   string
	served chan error
}

type runner = func(context.Context, command.Request) (command.Result, error)

// start serves with run in the place of rootwrap.Commands.Run.
func start(t testing.TB, limits filters.DaemonMax, idle time.Duration, run runner) *world {
	return startFor(t, uint32(os.Getuid()), limits, idle, run)
}

// startFor serves the user uid alone.
func startFor(t testing.TB, uid uint32, limits filters.DaemonMax, idle time.Duration, run runner) *world {
	f := &folder{path: t.TempDir(), owner: os.Geteuid()}
	if err := f.listen(os.Getuid()); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, path: f.socket(), served: make(chan error, 1)}
	w.server = &server{limits: orDefaults(limits, 1024), key: testKey, uid: uid, idle: idle, listener: f.listener, run: run}
	w.server.ready()
	go func() { w.served <- w.server.serve() }()
	t.Cleanup(func() { w.server.abandon(); w.end() })
	return w
}

// end waits for the end of the server.
func (w *world) end() {
	w.t.Helper()
	select {
	case err := <-w.served:
		if err != nil {
			w.t.Error(err)
		}
		w.served <- nil
	case <-time.After(patience):
		w.t.Fatal("the server does not end")
	}
}

// dial connects and does nothing.
func (w *world) dial() *os.File {
	w.t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: w.path}); err != nil {
		w.t.Fatal(err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		w.t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "server")
	w.t.Cleanup(func() { f.Close() })
	if err := f.SetDeadline(time.Now().Add(patience)); err != nil {
		w.t.Fatal(err)
	}
	return f
}

// login connects as Python 3.12 does.
func (w *world) login() *os.File {
	w.t.Helper()
	f := w.dial()
	if err := answerChallenge(f, testKey); err != nil {
		w.t.Fatal(err)
	}
	return f
}

// answerChallenge is the client's side of authenticate.
func answerChallenge(f io.ReadWriter, key []byte) error {
	challenge, err := readFrame(f, 256, nil)
	if err != nil {
		return err
	}
	proof, err := prove(key, challenge)
	if err != nil {
		return err
	}
	mine := challengeMark + sha256Mark + strings.Repeat("c", 40)
	if err := errors.Join(writeFrame(f, proof), writeFrame(f, []byte(mine))); err != nil {
		return err
	}
	if answer, err := readFrame(f, 256, nil); err != nil || string(answer) != welcome {
		return fmt.Errorf("%q, %w", answer, err)
	}
	answer, err := readFrame(f, 256, nil)
	if err != nil || !proves(key, []byte(strings.TrimPrefix(mine, challengeMark)), answer) {
		return fmt.Errorf("the server's proof is %q, %w", answer, err)
	}
	return writeFrame(f, []byte(welcome))
}

func ask(f io.ReadWriter, request string) (string, error) {
	if err := writeFrame(f, []byte(request)); err != nil {
		return "", err
	}
	reply, err := readFrame(f, 1<<30, nil)
	return string(reply), err
}

// thread logs in and makes the connection a client thread's.
func (w *world) thread() *os.File {
	w.t.Helper()
	f := w.login()
	w.want(f, `[null, "accept_connection", ["MainProcess"], {}]`, `["#RETURN", null]`)
	return f
}

func (w *world) want(f *os.File, request, reply string) {
	w.t.Helper()
	if got, err := ask(f, request); err != nil || got != reply {
		w.t.Fatalf("%.200s: %.300q, %v, want %.300q", request, got, err, reply)
	}
}

func nothing(context.Context, command.Request) (command.Result, error) { return command.Result{}, nil }
