package service_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
	"github.com/privhelper/privhelper/privsep/daemon"
	"github.com/privhelper/privhelper/privsep/daemon/service"
)

// The contract of the service under test.
var (
	contract = privsep.NewContext("servicetest")
	pid      = privsep.NewEntrypoint[struct{}, int](contract, "pid")
	snapshot = privsep.NewEntrypoint[struct{}, string](contract, "snapshot")
	pause    = privsep.NewEntrypoint[time.Duration, int](contract, "pause")
	crash    = privsep.NewEntrypoint[struct{}, int](contract, "crash")
	fenced   = privsep.NewFencedEntrypoint[struct{}, act](contract, "fenced", "volume")
)

// patience is a failure bound: what is waited for comes, or the test fails.
const patience = 30 * time.Second

// TestMain is also the service: its workers have its arguments and nothing of its environment.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "service" {
		serve(os.Args[2], os.Args[3])
	}
	testenv.Main(m, testenv.Children{"dial": dialChild})
}

// serve serves by the configuration in a file: "key value" lines.
func serve(config, socket string) {
	if socket == "inherited" {
		os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid())) // as systemd does between fork and exec
		socket = ""
	}
	service.Main(service.Options{
		Listen: socket,
		Load:   func() (service.Setup, error) { return load(config) },
		Worker: func(f *os.File) (*daemon.Daemon, error) {
			text := make([]byte, 100)
			n, _ := f.ReadAt(text, 0)
			if strings.HasPrefix(string(text[:n]), "worker-fails") {
				return nil, errors.New("worker: as was asked for")
			}
			d := daemon.New(daemon.Options{Context: contract, FencePath: fencesBeside(config)})
			daemon.Handle(d, fenced, doFenced)
			daemon.Handle(d, pid, func(context.Context, struct{}) (int, error) { return os.Getpid(), nil })
			daemon.Handle(d, snapshot, func(context.Context, struct{}) (string, error) { return string(text[:n]), nil })
			daemon.Handle(d, pause, func(ctx context.Context, how time.Duration) (int, error) {
				select {
				case <-time.After(how):
				case <-ctx.Done():
				}
				return 0, ctx.Err()
			})
			daemon.Handle(d, crash, func(context.Context, struct{}) (int, error) {
				os.Exit(3)
				return 0, nil
			})
			return d, nil
		},
	})
}

// fencesBeside is where a service with a configuration file remembers its fences.
func fencesBeside(config string) string { return filepath.Join(filepath.Dir(config), "fences") }

func load(config string) (service.Setup, error) {
	text, err := os.ReadFile(config)
	if err != nil {
		return service.Setup{}, err
	}
	s := service.Setup{Name: config, Snapshot: []byte("nothing")}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, _ := strconv.Atoi(value)
		switch key {
		case "uid":
			s.Clients.UIDs = append(s.Clients.UIDs, uint32(n))
		case "gid":
			s.Clients.GIDs = append(s.Clients.GIDs, uint32(n))
		case "any-namespace":
			s.Clients.AnyNamespace = true
		case "ready":
			s.Ready = n
		case "connections":
			s.Limits.Connections = n
		case "per-user":
			s.Limits.PerUser = n
		case "calls":
			s.Limits.Calls = n
		case "drain":
			s.Drain = time.Duration(n) * time.Millisecond
		case "snapshot":
			s.Snapshot = []byte(value)
		default:
			return s, fmt.Errorf("%s: what is %q?", config, key)
		}
	}
	return s, nil
}

// A running service.
type running struct {
	t      *testing.T
	config string
	socket string
	cmd    *exec.Cmd
	notes  chan string // what it told systemd

	mu     sync.Mutex
	stderr bytes.Buffer
	ended  chan struct{}
}

func (r *running) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stderr.Write(p)
}

func (r *running) said() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stderr.String()
}

// folder makes one that nobody but root can write to: below /tmp there is none.
func folder(t *testing.T) string {
	t.Helper()
	testenv.NeedRoot(t)
	dir, err := os.MkdirTemp("/run", "privhelper-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// prepare makes a service that was not started yet.
func prepare(t *testing.T, config string) *running {
	t.Helper()
	dir := folder(t)
	r := &running{t: t, config: filepath.Join(dir, "config"), socket: filepath.Join(dir, "socket"), ended: make(chan struct{}), notes: make(chan string, 1000)}
	r.configure(config)
	r.cmd = testenv.Child(t, "", "service", r.config, r.socket)
	r.cmd.Stderr = r
	r.cmd.Env = append(r.cmd.Env, "NOTIFY_SOCKET="+r.listen(filepath.Join(dir, "notify")))
	return r
}

// listen takes what a service tells systemd.
func (r *running) listen(path string) string {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	}
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), path)
	r.t.Cleanup(func() { f.Close() })
	go func() {
		buf := make([]byte, 1000)
		for {
			n, err := f.Read(buf)
			if err != nil {
				return
			}
			r.notes <- string(buf[:n])
		}
	}()
	return path
}

// note waits until the service tells systemd so.
func (r *running) note(want string) {
	r.t.Helper()
	late := time.After(patience)
	for {
		select {
		case n := <-r.notes:
			if strings.HasPrefix(n, want) {
				return
			}
		case <-r.ended:
			r.t.Fatalf("it ended before it told %q: %s", want, r.said())
		case <-late:
			r.t.Fatalf("it did not tell %q: %s", want, r.said())
		}
	}
}

func (r *running) configure(text string) {
	r.t.Helper()
	if err := os.WriteFile(r.config, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func (r *running) begin() {
	r.t.Helper()
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	go func() { _ = r.cmd.Wait(); close(r.ended) }()
	r.t.Cleanup(func() {
		_ = r.cmd.Process.Kill()
		<-r.ended
	})
}

// start starts a service and waits until it says that it is ready.
func start(t *testing.T, config string) *running {
	t.Helper()
	r := prepare(t, config)
	r.begin()
	r.note("READY=1")
	return r
}

func (r *running) signal(s os.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

// end waits for the end of the service and returns its exit code.
func (r *running) end() int {
	r.t.Helper()
	select {
	case <-r.ended:
		return r.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		r.t.Fatalf("it does not end: %s", r.said())
		return 0
	}
}

func (r *running) dial() (*client.Client, error) {
	return client.Start(context.Background(), client.Config{Launcher: &client.Service{Path: r.socket}, Contexts: []*privsep.Context{contract}})
}

func (r *running) mustDial() *client.Client {
	r.t.Helper()
	c, err := r.dial()
	if err != nil {
		r.t.Fatalf("%v\n%s", err, r.said())
	}
	r.t.Cleanup(func() { c.Close() })
	return c
}

func call[A, R any](t *testing.T, c *client.Client, e privsep.Entrypoint[A, R], args A) R {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := e.Call(ctx, c, args)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came: %s", what)
		}
	}
}

// alive reports whether a process runs: the init of a container may take its time to reap what has ended.
func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(text), ") ")
	return err == nil && !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

// dialChild is an ordinary user's client: it dials the socket and calls pid.
func dialChild(args []string) error {
	c, err := client.Dial(context.Background(), args[0])
	if err != nil {
		return err
	}
	defer c.Close()
	n, err := pid.Call(context.Background(), c, struct{}{})
	if err == nil {
		fmt.Println(n)
	}
	return err
}
