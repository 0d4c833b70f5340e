package pymanager

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/command"
)

// patience is how long a test waits before it calls something missing.
const patience = 60 * time.Second

const runTrue = `["1", "run_one_command", [["true"], null], {}]`

func TestManager(t *testing.T) {
	w := start(t, filters.DaemonMax{}, time.Hour, nothing)
	for request, reply := range map[string]string{
		`[null, "dummy", [], {}]`:              `["#RETURN", null]`,
		`[null, "create", ["rootwrap"], {}]`:   `["#RETURN", ["1", ["run_one_command", "shutdown"]]]`,
		`[null, "incref", ["1"], {}]`:          `["#RETURN", null]`,
		`[null, "decref", ["1"], {}]`:          `["#RETURN", null]`,
		`[null, "create", ["subprocess"], {}]`: `["#TRACEBACK", "privhelper: the manager has no create of \"subprocess\""]`,
		`["1", "shutdown", [], {}]`:            `["#TRACEBACK", "privhelper: shutdown is no method of object \"1\" here"]`,
		runTrue:                                `["#TRACEBACK", "privhelper: run_one_command is no method of object \"1\" here"]`,
	} {
		f := w.login()
		w.want(f, request, reply)
		if _, err := f.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%s: the connection goes on: %v", request, err)
		}
	}
}

func TestRun(t *testing.T) {
	for _, c := range []struct {
		name  string
		run   runner
		reply string
	}{
		{"code", func(_ context.Context, r command.Request) (command.Result, error) {
			fmt.Fprint(r.Stdout.File, r.Argv, r.Stdin.File == nil)
			fmt.Fprint(r.Stderr.File, "\xff")
			return command.Result{Code: 7}, nil
		}, `["#RETURN", [7, "[true] true", "\udcff"]]`},
		{"signal", func(context.Context, command.Request) (command.Result, error) {
			return command.Result{Code: -1, Signal: 9}, nil
		}, `["#RETURN", [-9, "", ""]]`},
		{"refused", func(context.Context, command.Request) (command.Result, error) {
			return command.Result{}, &privsep.CallError{Code: privsep.CodeDenied, Message: "what policy says"}
		}, `["#RETURN", [99, "", ""]]`},
		{"fenced", func(context.Context, command.Request) (command.Result, error) {
			return command.Result{}, &privsep.CallError{Code: privsep.CodeFenced, Message: "what the fence says"}
		}, `["#RETURN", [99, "", "privhelper: refused: what the fence says\n"]]`},
		{"missing", func(context.Context, command.Request) (command.Result, error) {
			return command.Result{}, &privsep.CallError{Code: privsep.CodeNotExecutable}
		}, `["#RETURN", [96, "", ""]]`},
		{"failed", func(context.Context, command.Request) (command.Result, error) {
			return command.Result{}, &privsep.CallError{Code: privsep.CodeFailed, Message: "the reason"}
		}, `["#TRACEBACK", "privhelper: the reason"]`},
		{"too much", func(ctx context.Context, r command.Request) (command.Result, error) {
			_, _ = io.WriteString(r.Stdout.File, strings.Repeat("x", 40<<10))
			<-ctx.Done()
			return command.Result{}, context.Cause(ctx)
		}, `["#RETURN", [-9, "` + strings.Repeat("x", 20<<10) + `", "privhelper: ended: more output than one command may have (daemon_max_output)\n"]]`},
		{"too much at its end", func(ctx context.Context, r command.Request) (command.Result, error) {
			_, _ = io.WriteString(r.Stdout.File, strings.Repeat("x", 40<<10))
			return command.Result{}, nil
		}, `["#RETURN", [-9, "` + strings.Repeat("x", 20<<10) + `", "privhelper: ended: more output than one command may have (daemon_max_output)\n"]]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := start(t, filters.DaemonMax{Output: 20 << 10}, time.Hour, c.run)
			f := w.thread()
			for range 2 { // the connection goes on
				w.want(f, runTrue, c.reply)
			}
			w.server.stop()
			w.end()
			if left := w.server.memory.left.Load(); left != w.server.limits.Memory {
				t.Errorf("%d bytes are left of %d", left, w.server.limits.Memory)
			}
		})
	}
}

// Standard input is written to the end, whether the command reads it or not.
func TestInput(t *testing.T) {
	w := start(t, filters.DaemonMax{}, time.Hour, func(_ context.Context, r command.Request) (command.Result, error) {
		if r.Argv[0] == "cat" {
			_, err := io.Copy(r.Stdout.File, r.Stdin.File)
			return command.Result{}, err
		}
		return command.Result{}, nil
	})
	f := w.thread()
	input := strings.Repeat("0123456789", 1<<17)
	w.want(f, `["1", "run_one_command", [["cat"], "`+input+`"], {}]`, `["#RETURN", [0, "`+input+`", ""]]`)
	w.want(f, `["1", "run_one_command", [["true"], "`+input+`"], {}]`, `["#RETURN", [0, "", ""]]`)
}

// 128 that say nothing make place for others, the oldest first.
func TestHalfOpen(t *testing.T) {
	w := start(t, filters.DaemonMax{HalfOpen: 4}, time.Hour, nothing)
	var silent []*os.File
	for range 40 {
		silent = append(silent, w.dial())
	}
	w.want(w.thread(), runTrue, `["#RETURN", [0, "", ""]]`)
	for i, f := range silent[:36] {
		if _, err := io.Copy(io.Discard, f); err != nil && !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("connection %d is not closed: %v", i, err)
		}
	}
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	if n := len(w.server.halfOpen); n > 4 {
		t.Errorf("%d are half open", n)
	}
}

func TestConnections(t *testing.T) {
	w := start(t, filters.DaemonMax{Connections: 2}, time.Hour, nothing)
	first, second := w.thread(), w.thread()
	third := w.dial()
	if err := answerChallenge(third, testKey); err == nil {
		if reply, err := ask(third, `[null, "dummy", [], {}]`); err == nil {
			t.Errorf("a third connection gets %s", reply)
		}
	}
	second.Close()
	w.want(first, runTrue, `["#RETURN", [0, "", ""]]`)
}

// Commands run at one time up to the limit, and not beyond.
func TestCommands(t *testing.T) {
	var mu sync.Mutex
	running, most := 0, 0
	all, release := make(chan bool, 8), make(chan bool)
	w := start(t, filters.DaemonMax{Commands: 3}, time.Hour, func(context.Context, command.Request) (command.Result, error) {
		mu.Lock()
		running++
		most = max(most, running)
		mu.Unlock()
		all <- true
		<-release
		mu.Lock()
		running--
		mu.Unlock()
		return command.Result{}, nil
	})
	var group sync.WaitGroup
	for range 8 {
		f := w.thread()
		group.Go(func() { w.want(f, runTrue, `["#RETURN", [0, "", ""]]`) })
	}
	for range 3 {
		<-all
	}
	close(release)
	group.Wait()
	if most != 3 {
		t.Errorf("%d ran at one time", most)
	}
}

// Requests together beyond the memory are refused, and what comes after them is served.
func TestMemory(t *testing.T) {
	w := start(t, filters.DaemonMax{Memory: 1 << 20, Request: 8 << 20}, time.Hour, nothing)
	f := w.thread()
	reply, err := ask(f, `["1", "run_one_command", [["true"], "`+strings.Repeat("x", 1<<20)+`"], {}]`)
	if err != nil && !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) || err == nil && !strings.Contains(reply, "daemon_max_memory") {
		t.Errorf("%.100s, %v", reply, err)
	}
	w.want(w.thread(), runTrue, `["#RETURN", [0, "", ""]]`)
	w.server.stop()
	w.end()
	if left := w.server.memory.left.Load(); left != 1<<20 {
		t.Errorf("%d bytes are left", left)
	}
}

// An end in order: who asks nothing is sent away, what runs is answered, what comes later is not begun.
func TestStop(t *testing.T) {
	began, release := make(chan bool), make(chan bool)
	w := start(t, filters.DaemonMax{}, time.Hour, func(context.Context, command.Request) (command.Result, error) {
		began <- true
		<-release
		return command.Result{Code: 5}, nil
	})
	idle, halfOpen, busy := w.thread(), w.dial(), w.thread()
	if err := writeFrame(busy, []byte(runTrue)); err != nil {
		t.Fatal(err)
	}
	<-began
	if err := writeFrame(busy, []byte(runTrue)); err != nil { // a second, which is not to begin
		t.Fatal(err)
	}
	w.server.stop()
	for name, f := range map[string]*os.File{"idle": idle, "half open": halfOpen} {
		if _, err := io.Copy(io.Discard, f); err != nil && !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("%s: %v", name, err)
		}
	}
	select {
	case err := <-w.served:
		t.Fatalf("it ended before its command: %v", err)
	default:
	}
	close(release)
	if reply, err := readFrame(busy, 1<<20, nil); err != nil || string(reply) != `["#RETURN", [5, "", ""]]` {
		t.Errorf("%s, %v", reply, err)
	}
	w.end()
}

// When the client is gone its commands end.
func TestAbandon(t *testing.T) {
	began := make(chan bool)
	w := start(t, filters.DaemonMax{}, time.Hour, func(ctx context.Context, _ command.Request) (command.Result, error) {
		began <- true
		<-ctx.Done()
		return command.Result{}, context.Cause(ctx)
	})
	if err := writeFrame(w.thread(), []byte(runTrue)); err != nil {
		t.Fatal(err)
	}
	<-began
	w.server.abandon()
	w.end()
}

// A daemon ends when nothing was asked for a while, and not while a command runs.
func TestIdle(t *testing.T) {
	var ended time.Time
	w := start(t, filters.DaemonMax{}, 200*time.Millisecond, func(context.Context, command.Request) (command.Result, error) {
		time.Sleep(time.Second) // longer than it may be idle
		ended = time.Now()
		return command.Result{}, nil
	})
	w.want(w.thread(), runTrue, `["#RETURN", [0, "", ""]]`)
	w.end()
	if idle := time.Since(ended); idle < 200*time.Millisecond {
		t.Errorf("it ended after %v", idle)
	}
}

func TestShutdown(t *testing.T) {
	w := start(t, filters.DaemonMax{}, time.Hour, nothing)
	w.want(w.thread(), `["1", "shutdown", [], {}]`, `["#RETURN", null]`)
	w.end()
}

// Another user's process is closed on, root's too: whom the kernel names must be the client's user.
func TestOtherUser(t *testing.T) {
	w := startFor(t, uint32(os.Getuid())+1, filters.DaemonMax{}, time.Hour, nothing)
	if said, err := io.ReadAll(w.dial()); len(said) > 0 || err != nil && !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("%q, %v", said, err)
	}
}

func TestFolder(t *testing.T) {
	f, err := makeFolder(uint32(os.Getuid()))
	if err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{f.path: os.ModeDir | 0o700, f.socket(): os.ModeSocket | 0o600} {
		if st, err := os.Lstat(path); err != nil || st.Mode() != mode {
			t.Errorf("%s: %v, %v, want %v", path, st.Mode(), err, mode)
		}
	}
	f.remove()
	if _, err := os.Lstat(f.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

// The client owns the folder and may put what it likes in its place: what removes it follows no link, and removes
// nothing that the client could not.
func TestFolderExchanged(t *testing.T) {
	f, err := makeFolder(uint32(os.Getuid()))
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(f.path)
	other := t.TempDir()
	if err := errors.Join(os.Remove(f.socket()), os.Remove(f.path), os.WriteFile(filepath.Join(other, "file"), nil, 0o600), os.Symlink(other, f.path)); err != nil {
		t.Fatal(err)
	}
	f.remove()
	if _, err := os.Lstat(filepath.Join(other, "file")); err != nil {
		t.Error(err)
	}
}

func TestLimits(t *testing.T) {
	got := orDefaults(filters.DaemonMax{Output: 7}, 256)
	want := filters.DaemonMax{Request: 64 << 20, Output: 7, Memory: 512 << 20, HalfOpen: 32, Connections: 64, Commands: 16}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := orDefaults(filters.DaemonMax{}, 1<<63); got.HalfOpen != 128 || got.Connections != 1024 || got.Commands != 64 {
		t.Errorf("%+v", got)
	}
}

// One answer of many sizes, over and over, so that its two passes cannot differ.
func BenchmarkResult(b *testing.B) {
	out := &output{pieces: [][]byte{bytes.Repeat([]byte("0123456789abcdef\n"), 1<<16)}}
	b.SetBytes(int64(len(out.pieces[0])))
	for b.Loop() {
		if err := writeResult(io.Discard, 0, out, &output{}); err != nil {
			b.Fatal(err)
		}
	}
}
