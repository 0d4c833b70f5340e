package service_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
)

// One confined process a connection: what ends one connection ends no other, and the next call of its client finds another.
func TestOneProcessAConnection(t *testing.T) {
	r := start(t, "ready 2")
	a, b := r.mustDial(), r.mustDial()
	pa, pb := call(t, a, pid, struct{}{}), call(t, b, pid, struct{}{})
	if pa == pb || pa == r.cmd.Process.Pid || a.Helper().PID != pa {
		t.Fatalf("clients are served by %d and %d, the master is %d", pa, pb, r.cmd.Process.Pid)
	}
	if h := a.Helper(); h.Keep != 0 || h.Bounding != 0 || !h.NoNewPrivs {
		t.Errorf("a worker keeps %q of %q, no_new_privs %v", h.Keep, h.Bounding, h.NoNewPrivs)
	}
	_, err := crash.Call(context.Background(), a, struct{}{})
	var lost *privsep.CallError
	if !errors.As(err, &lost) || lost.Code != privsep.CodeLost || lost.Outcome != privsep.Unknown {
		t.Errorf("the call that ended its worker: %v", err)
	}
	if again := call(t, b, pid, struct{}{}); again != pb {
		t.Errorf("the other client has worker %d now, and had %d", again, pb)
	}
	if again := call(t, a, pid, struct{}{}); again == pa || again == pb {
		t.Errorf("dialled again, it is served by %d", again)
	}
	a.Close()
	b.Close()
	eventually(t, "the end of the workers of clients that are gone", func() bool { return !alive(pa) && !alive(pb) })
}

func TestRefusals(t *testing.T) {
	r := start(t, "uid 12345")
	child := testenv.Child(t, "dial", r.socket)
	testenv.AsUser(t, child)
	out, err := child.CombinedOutput()
	want := fmt.Sprintf("uid %d may not use this service: ask root of this machine to name the user, or a @group, in `clients =` of %s\n", testenv.Nobody, r.config)
	if err == nil || !strings.HasSuffix(string(out), want) || strings.Count(string(out), "\n") != 1 {
		t.Errorf("a stranger: %v, %s", err, out)
	}
	r.configure(fmt.Sprintf("uid %d\nconnections 30\nper-user 2", testenv.Nobody))
	r.signal(syscall.SIGHUP)
	r.note("RELOADING=1\nMONOTONIC_USEC=")
	r.note("READY=1")
	child = testenv.Child(t, "dial", r.socket)
	testenv.AsUser(t, child)
	testenv.Output(t, child)
	namespace := testenv.Child(t, "dial", r.socket)
	namespace.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	if out, err := namespace.CombinedOutput(); err == nil || !strings.Contains(string(out), "another pid namespace may not use") {
		t.Errorf("root in a pid namespace: %v, %s", err, out)
	}

	for range 2 {
		r.mustDial()
	}
	_, err = r.dial()
	var busy *privsep.CallError
	if !errors.As(err, &busy) || busy.Code != privsep.CodeBusy || busy.Outcome != privsep.NotSent || !strings.Contains(err.Error(), "uid 0 has 2 connections") {
		t.Errorf("the third of two: %v", err)
	}
}

// A socket at which anybody else listens is none of root's.
func TestDial(t *testing.T) {
	dir := folder(t)
	for _, path := range []string{dir + "/none", dir} {
		_, err := client.Dial(context.Background(), path)
		if err == nil || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), "systemctl enable") {
			t.Errorf("%s: %v", path, err)
		}
	}
	impostor := dir + "/impostor"
	cmd := exec.Command(testenv.NeedProgram(t, "python3", "python3"), "-c", `
import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); os.setuid(65534); s.listen(); print(flush=True); sys.stdin.read()`, impostor)
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = out.Read(make([]byte, 1))
	if _, err := client.Dial(context.Background(), impostor); err == nil || !strings.Contains(err.Error(), "uid 65534 listens there and not root") {
		t.Errorf("%v", err)
	}
	in.Close()
	_ = cmd.Wait()
}

// One user's connections have one limit on calls together.
func TestCallsPerSecond(t *testing.T) {
	began := time.Now()
	r := start(t, "calls 20")
	a, b := r.mustDial(), r.mustDial()
	made, refused := 0, 0
	for range 20 {
		for _, c := range []*client.Client{a, b} {
			_, err := pid.Call(context.Background(), c, struct{}{})
			var e *privsep.CallError
			switch {
			case err == nil:
				made++
			case errors.As(err, &e) && e.Code == privsep.CodeBusy && e.Outcome == privsep.Answered && strings.Contains(err.Error(), "service_max_calls"):
				refused++
			default:
				t.Fatal(err)
			}
		}
	}
	most := 20 + int(time.Since(began).Seconds()*20) + 1
	if made < 20 || made > most || made+refused != 40 {
		t.Errorf("%d calls were made and %d refused in %v", made, refused, time.Since(began))
	}
}

// What holds changes as a whole, when a worker has become ready under it, or not at all.
func TestReload(t *testing.T) {
	r := start(t, "snapshot one")
	old := r.mustDial()
	for _, c := range []struct{ config, want, says string }{
		{"snapshot two", "two", ""},
		{"nonsense", "two", "not reloaded: " + r.config + `: what is "nonsense"?`},
		{"snapshot worker-fails", "two", "worker: as was asked for"},
		{"snapshot three", "three", ""},
	} {
		r.configure(c.config)
		r.signal(syscall.SIGHUP)
		r.note("RELOADING=1")
		r.note("READY=1")
		for range 6 { // more than are kept ready
			if got := call(t, r.mustDial(), snapshot, struct{}{}); got != c.want {
				t.Errorf("after %q: %q", c.config, got)
			}
		}
		if !strings.Contains(r.said(), c.says) {
			t.Errorf("after %q it said: %s", c.config, r.said())
		}
	}
	if got := call(t, old, snapshot, struct{}{}); got != "one" {
		t.Errorf("a connection that had begun: %q", got)
	}
}

// Stopped, a service lets calls be answered, takes no other, and leaves nothing.
func TestStop(t *testing.T) {
	r := start(t, "")
	busy, idle := r.mustDial(), r.mustDial()
	worker := call(t, busy, pid, struct{}{})
	answered := make(chan error, 1)
	go func() {
		_, err := pause.Call(context.Background(), busy, 700*time.Millisecond)
		answered <- err
	}()
	call(t, idle, pid, struct{}{})
	time.Sleep(200 * time.Millisecond) // the call is under way
	r.signal(syscall.SIGTERM)
	r.note("STOPPING=1")
	_, err := r.dial()
	if err == nil {
		t.Error("it still serves")
	}
	if err := <-answered; err != nil {
		t.Errorf("the call that had begun: %v", err)
	}
	if code := r.end(); code != 0 {
		t.Errorf("exit code %d: %s", code, r.said())
	}
	if alive(worker) {
		t.Error("a worker outlives the service")
	}
	if _, err := os.Lstat(r.socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

// A call that does not end does not keep the service from ending; a second signal does not wait at all.
func TestStopDoesNotWaitForEver(t *testing.T) {
	for _, again := range []bool{false, true} {
		config := "drain 300"
		if again {
			config = "drain 600000"
		}
		r := start(t, config)
		c := r.mustDial()
		worker := call(t, c, pid, struct{}{})
		answered := make(chan error, 1)
		go func() {
			_, err := pause.Call(context.Background(), c, time.Hour)
			answered <- err
		}()
		time.Sleep(200 * time.Millisecond)
		r.signal(syscall.SIGTERM)
		r.note("STOPPING=1")
		if again {
			r.signal(syscall.SIGTERM)
		}
		if err := <-answered; err == nil {
			t.Error("a call of an hour was answered")
		}
		if code := r.end(); code != 0 || alive(worker) {
			t.Errorf("exit code %d, its worker alive: %v; %s", code, alive(worker), r.said())
		}
	}
}

// When the master is killed nothing that it started goes on.
func TestMasterKilled(t *testing.T) {
	r := start(t, "")
	c := r.mustDial()
	worker := call(t, c, pid, struct{}{})
	r.signal(syscall.SIGKILL)
	began := time.Now()
	eventually(t, "the end of the worker", func() bool { return !alive(worker) })
	if took := time.Since(began); took > time.Second+atExit {
		t.Errorf("its worker lived on for %v", took)
	}
}

// 200 clients at once, connections dropped at random points, workers killed: nobody else fails, nothing is left.
func TestStorm(t *testing.T) {
	r := start(t, "per-user 1000\nconnections 1000\ncalls 100000")
	steady := r.mustDial()
	first := call(t, steady, pid, struct{}{})
	files := func() int {
		list, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", r.cmd.Process.Pid))
		return len(list)
	}
	workers := func() int {
		n := 0
		for _, task := range must(filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", r.cmd.Process.Pid))) {
			text, _ := os.ReadFile(task)
			n += len(strings.Fields(string(text)))
		}
		return n
	}
	eventually(t, "four workers ready, and one that serves", func() bool { return workers() == 5 })
	before := files()
	var group sync.WaitGroup
	tokens := make(chan struct{}, 200)
	for i := range 400 {
		group.Add(1)
		tokens <- struct{}{}
		go func() {
			defer func() { <-tokens; group.Done() }()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			switch i % 4 {
			case 0: // gone before it is served
				time.AfterFunc(time.Duration(i)*50*time.Microsecond, cancel)
				if c, err := client.Dial(ctx, r.socket); err == nil {
					c.Close()
				}
				return
			case 1: // its worker is killed in a call
				c, err := client.Dial(ctx, r.socket)
				if err != nil {
					t.Errorf("client %d: %v", i, err)
					return
				}
				_, _ = crash.Call(ctx, c, struct{}{})
				c.Close()
			default:
				c, err := client.Dial(ctx, r.socket)
				if err != nil {
					t.Errorf("client %d: %v", i, err)
					return
				}
				if _, err := pid.Call(ctx, c, struct{}{}); err != nil {
					t.Errorf("client %d: %v", i, err)
				}
				c.Close()
			}
		}()
	}
	group.Wait()
	if again := call(t, steady, pid, struct{}{}); again != first {
		t.Errorf("a client that was there before has another worker")
	}
	eventually(t, "as many descriptors in the master as before", func() bool { return workers() == 5 && files() <= before })
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
