package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// lines joins what a case has to show.
func lines(what ...any) string { return fmt.Sprintln(what...) }

var errBoom = errors.New("x: boom")

type failing struct{}

func (failing) Read([]byte) (int, error)  { return 0, errBoom }
func (failing) Write([]byte) (int, error) { return 0, errBoom }

// incomparable panics where it is compared with ==.
type incomparable struct {
	_  []int
	to *bytes.Buffer
}

func (w incomparable) Write(p []byte) (int, error) { return w.to.Write(p) }

// shared is a writer that says whether two wrote to it at once.
type shared struct {
	mu    sync.Mutex
	twice bool
	bytes.Buffer
}

func (w *shared) Write(p []byte) (int, error) {
	if !w.mu.TryLock() {
		w.twice = true
		return len(p), nil
	}
	defer w.mu.Unlock()
	return w.Buffer.Write(p)
}

const background = "sleep 20 & echo early"

var likeOsExec = map[string]func(t *testing.T, m maker) string{
	"Output": func(t *testing.T, m maker) string {
		out, err := m.sh(without, fields{}, "echo out; echo err >&2").Output()
		return lines(string(out), m.says(err))
	},
	"Output fails": func(t *testing.T, m maker) string {
		out, err := m.sh(without, fields{}, "echo out; echo why >&2; exit 3").Output()
		return lines(string(out), m.says(err))
	},
	"Output fails with many words": func(t *testing.T, m maker) string {
		out, err := m.sh(without, fields{}, "i=0; while [ $i -lt 20000 ]; do echo word $i; i=$((i+1)); done >&2; exit 3").Output()
		return lines(string(out), m.says(err))
	},
	"Output fails with words elsewhere": func(t *testing.T, m maker) string {
		var words bytes.Buffer
		out, err := m.sh(without, fields{Stderr: &words}, "echo why >&2; exit 3").Output()
		return lines(string(out), words.String(), m.says(err))
	},
	"Output with Stdout": func(t *testing.T, m maker) string {
		_, err := m.sh(without, fields{Stdout: io.Discard}, "true").Output()
		return m.says(err)
	},
	"CombinedOutput": func(t *testing.T, m maker) string {
		out, err := m.sh(without, fields{}, "echo 1; echo 2 >&2; echo 3").CombinedOutput()
		return lines(string(out), m.says(err))
	},
	"CombinedOutput with Stdout": func(t *testing.T, m maker) string {
		_, err := m.sh(without, fields{Stdout: io.Discard}, "true").CombinedOutput()
		return m.says(err)
	},
	"CombinedOutput with Stderr": func(t *testing.T, m maker) string {
		_, err := m.sh(without, fields{Stderr: io.Discard}, "true").CombinedOutput()
		return m.says(err)
	},
	"large output": func(t *testing.T, m maker) string {
		out, err := m.sh(without, fields{}, "head -c 5000000 /dev/zero").Output()
		return lines(len(out), m.says(err))
	},
	"pipes of what is set": func(t *testing.T, m maker) string {
		cmd := m.sh(without, fields{Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard}, "true")
		_, err0 := cmd.StdinPipe()
		_, err1 := cmd.StdoutPipe()
		_, err2 := cmd.StderrPipe()
		return lines(m.says(err0), m.says(err1), m.says(err2))
	},
	"pipes twice": func(t *testing.T, m maker) string {
		cmd := m.sh(without, fields{}, "true")
		cmd.StdinPipe()
		cmd.StdoutPipe()
		cmd.StderrPipe()
		_, err0 := cmd.StdinPipe()
		_, err1 := cmd.StdoutPipe()
		_, err2 := cmd.StderrPipe()
		return lines(m.says(err0), m.says(err1), m.says(err2), m.says(cmd.Run()))
	},
	"pipes after Start": func(t *testing.T, m maker) string {
		cmd := m.sh(without, fields{}, "true")
		err := cmd.Start()
		_, err0 := cmd.StdinPipe()
		_, err1 := cmd.StdoutPipe()
		_, err2 := cmd.StderrPipe()
		return lines(m.says(err), m.says(err0), m.says(err1), m.says(err2), m.says(cmd.Wait()))
	},
	"Wait closes the pipes": func(t *testing.T, m maker) string {
		cmd := m.sh(without, fields{}, "true")
		in, _ := cmd.StdinPipe()
		out, _ := cmd.StdoutPipe()
		words, _ := cmd.StderrPipe()
		err := cmd.Run()
		_, err0 := in.Write([]byte("x"))
		_, err1 := out.Read(make([]byte, 1))
		_, err2 := words.Read(make([]byte, 1))
		return lines(m.says(err), m.says(err0), m.says(err1), m.says(err2), m.says(in.Close()))
	},
	"a failed Start closes the pipes": func(t *testing.T, m maker) string {
		cmd := m.make(without, fields{}, "/usr/bin/no-such-program")
		in, _ := cmd.StdinPipe()
		out, _ := cmd.StdoutPipe()
		err := cmd.Start()
		_, err0 := in.Write([]byte("x"))
		_, err1 := out.Read(make([]byte, 1))
		return lines(m.says(err), m.says(err0), m.says(err1))
	},
	"both pipes": func(t *testing.T, m maker) string {
		cmd := m.sh(without, fields{}, "cat; echo words >&2; exit 4")
		in, _ := cmd.StdinPipe()
		out, _ := cmd.StdoutPipe()
		words, _ := cmd.StderrPipe()
		err := cmd.Start()
		io.WriteString(in, "input\n")
		err0 := in.Close()
		o, err1 := io.ReadAll(out)
		w, err2 := io.ReadAll(words)
		return lines(m.says(err), m.says(err0), string(o), m.says(err1), string(w), m.says(err2), m.says(cmd.Wait()), m.says(in.Close()))
	},
	"missing program": func(t *testing.T, m maker) string {
		cmd := m.make(without, fields{}, "/usr/bin/no-such-program")
		return lines(m.says(cmd.Start()), m.process(cmd) == nil, m.says(cmd.Wait()), m.says(cmd.Start()))
	},
	"Start twice": func(t *testing.T, m maker) string {
		cmd := m.sh(without, fields{}, "true")
		return lines(m.says(cmd.Start()), m.says(cmd.Start()), m.says(cmd.Wait()), m.says(cmd.Run()))
	},
	"Wait before Start": func(t *testing.T, m maker) string { return m.says(m.sh(without, fields{}, "true").Wait()) },
	"Wait twice": func(t *testing.T, m maker) string {
		cmd := m.sh(without, fields{}, "exit 3")
		return lines(m.says(cmd.Run()), m.says(cmd.Wait()), m.state(cmd).ExitCode())
	},
	"a nil context": func(t *testing.T, m maker) (said string) {
		defer func() { said = strings.TrimPrefix(fmt.Sprint(recover()), "client: ") }()
		m.withNil()
		return "no panic"
	},
	"a context at its end": func(t *testing.T, m maker) string {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		cmd := m.sh(ctx, fields{}, "true")
		in, _ := cmd.StdinPipe()
		err := cmd.Start()
		_, err0 := in.Write([]byte("x"))
		return lines(m.says(err), m.process(cmd) == nil, m.says(err0), m.says(cmd.Wait()))
	},
	"Cancel without context": func(t *testing.T, m maker) string {
		return m.says(m.sh(without, fields{Cancel: func(func(os.Signal) error) error { return nil }}, "true").Run())
	},
	"cancelled": func(t *testing.T, m maker) string { return cancelled(t, m, fields{}, "echo; exec sleep 20") },
	"deadline": func(t *testing.T, m maker) string {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		return m.says(m.sh(ctx, fields{}, "exec sleep 20").Run())
	},
	"cancelled after the end": func(t *testing.T, m maker) string {
		ctx, cancel := context.WithCancel(t.Context())
		cmd := m.sh(ctx, fields{}, "true")
		err := cmd.Run()
		cancel()
		return lines(m.says(err), m.says(m.process(cmd)(syscall.SIGKILL)))
	},
	"cancelled, and it exits with 0": func(t *testing.T, m maker) string {
		return cancelled(t, m, fields{Cancel: func(signal func(os.Signal) error) error { return signal(syscall.SIGTERM) }},
			"trap 'exit 0' TERM; echo; while :; do sleep 0.01; done")
	},
	"cancelled, and it exits with 5": func(t *testing.T, m maker) string {
		return cancelled(t, m, fields{Cancel: func(signal func(os.Signal) error) error { return signal(syscall.SIGTERM) }},
			"trap 'exit 5' TERM; echo; while :; do sleep 0.01; done")
	},
	"Cancel fails, and it exits with 0": func(t *testing.T, m maker) string {
		return cancelled(t, m, fields{Cancel: func(signal func(os.Signal) error) error { return errors.Join(signal(syscall.SIGTERM), errBoom) }},
			"trap 'exit 0' TERM; echo; while :; do sleep 0.01; done")
	},
	"Cancel says it is done, and it exits with 0": func(t *testing.T, m maker) string {
		return cancelled(t, m, fields{Cancel: func(signal func(os.Signal) error) error {
			signal(syscall.SIGTERM)
			return os.ErrProcessDone
		}}, "trap 'exit 0' TERM; echo; while :; do sleep 0.01; done")
	},
	"no Cancel": func(t *testing.T, m maker) string {
		return cancelled(t, m, fields{NoCancel: true}, "echo; sleep 0.1; exit 6")
	},
	"no Cancel, WaitDelay": func(t *testing.T, m maker) string {
		return cancelled(t, m, fields{NoCancel: true, WaitDelay: 50 * time.Millisecond}, "echo; exec sleep 20")
	},
	"Cancel without effect, WaitDelay": func(t *testing.T, m maker) string {
		return cancelled(t, m, fields{Cancel: func(func(os.Signal) error) error { return nil }, WaitDelay: 50 * time.Millisecond}, "echo; exec sleep 20")
	},
	"Cancel without effect, WaitDelay, copying": func(t *testing.T, m maker) string {
		return cancelled(t, m, fields{Cancel: func(func(os.Signal) error) error { return nil }, WaitDelay: 50 * time.Millisecond,
			Stderr: &bytes.Buffer{}}, "echo; exec sleep 20")
	},
	"WaitDelay without need": func(t *testing.T, m maker) string {
		out, err := m.sh(without, fields{WaitDelay: 20 * time.Second}, "echo early; exit 3").Output()
		return lines(string(out), m.says(err))
	},
	"WaitDelay for copying": func(t *testing.T, m maker) string {
		out, err := m.sh(without, fields{WaitDelay: 100 * time.Millisecond}, background).Output()
		return lines(string(out), m.says(err))
	},
	"WaitDelay for copying with a context": func(t *testing.T, m maker) string {
		out, err := m.sh(t.Context(), fields{WaitDelay: 100 * time.Millisecond}, background).CombinedOutput()
		return lines(string(out), m.says(err))
	},
	"WaitDelay for copying of what failed": func(t *testing.T, m maker) string {
		out, err := m.sh(without, fields{WaitDelay: 100 * time.Millisecond}, background+"; exit 3").CombinedOutput()
		return lines(string(out), m.says(err))
	},
	"Wait waits for copying": func(t *testing.T, m maker) string {
		out, err := m.sh(without, fields{}, "(sleep 0.1; echo late) & echo early").Output()
		return lines(string(out), m.says(err))
	},
	"Wait waits for no file": func(t *testing.T, m maker) string {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		defer w.Close()
		return m.says(m.sh(without, fields{Stdout: w}, background).Run())
	},
	"Stdin is a reader": func(t *testing.T, m maker) string {
		out, err := m.sh(without, fields{Stdin: strings.NewReader("input")}, "cat").Output()
		return lines(string(out), m.says(err))
	},
	"Stdin is more than is read": func(t *testing.T, m maker) string {
		out, err := m.sh(without, fields{Stdin: bytes.NewReader(make([]byte, 1<<20))}, "head -c 1 | wc -c").Output()
		return lines(string(out), m.says(err))
	},
	"Stdin fails": func(t *testing.T, m maker) string {
		return m.says(m.sh(without, fields{Stdin: failing{}}, "cat").Run())
	},
	"Stdin and the command fail": func(t *testing.T, m maker) string {
		return m.says(m.sh(without, fields{Stdin: failing{}}, "cat; exit 3").Run())
	},
	"Stdout fails": func(t *testing.T, m maker) string {
		return m.says(m.sh(without, fields{Stdout: failing{}}, "echo").Run())
	},
	"Stdout fails on a command that goes on": func(t *testing.T, m maker) string {
		return m.says(m.sh(without, fields{Stdout: failing{}}, "exec yes").Run())
	},
	"files are passed themselves": func(t *testing.T, m maker) string {
		in, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		io.WriteString(in, "first\nsecond\n")
		in.Seek(0, io.SeekStart)
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		defer w.Close()
		err = m.sh(without, fields{Stdin: in, Stdout: w, Stderr: w},
			`read x; echo $x $(readlink /proc/$$/fd/0); [ /proc/$$/fd/1 -ef /proc/$$/fd/2 ] && readlink /proc/$$/fd/1`).Run()
		w.Close()
		said, err1 := io.ReadAll(r)
		at, err2 := in.Seek(0, io.SeekCurrent) // ours still, and the command has read on the same description
		text := strings.ReplaceAll(string(said), in.Name(), "FILE")
		return lines(m.says(err), at > 0, m.says(err1), m.says(err2), strings.Contains(text, "first FILE"), strings.Contains(text, "pipe:"))
	},
	"no streams": func(t *testing.T, m maker) string {
		f, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		err = m.sh(without, fields{Stderr: f}, "readlink /proc/$$/fd/0 /proc/$$/fd/1 >&2; true").Run()
		text, err1 := os.ReadFile(f.Name())
		return lines(m.says(err), strings.ReplaceAll(string(text), f.Name(), "FILE"), m.says(err1))
	},
	"one writer for two": func(t *testing.T, m maker) string {
		var w shared
		err := m.sh(without, fields{Stdout: &w, Stderr: &w}, "for i in 1 2 3 4 5 6 7 8 9; do echo $i; echo $i >&2; done").Run()
		return lines(m.says(err), w.String(), w.twice)
	},
	"writers that cannot be compared": func(t *testing.T, m maker) string {
		w := incomparable{to: &bytes.Buffer{}}
		err := m.sh(without, fields{Stdout: w, Stderr: w}, "echo x").Run()
		return lines(m.says(err), w.to.String())
	},
	"ProcessState": func(t *testing.T, m maker) string {
		var said strings.Builder
		for _, script := range []string{"true", "exit 3", "exit 255", "kill -TERM $$", "kill -KILL $$"} {
			cmd := m.sh(without, fields{}, script)
			before := fmt.Sprint(m.state(cmd).ExitCode(), m.state(cmd).String())
			err := cmd.Run()
			s := m.state(cmd)
			ws := s.Sys().(syscall.WaitStatus)
			fmt.Fprintln(&said, before, m.says(err), s.ExitCode(), s.Exited(), s.Success(), s, ws.Exited(), ws.ExitStatus(), ws.Signaled(), ws.Signal(),
				s.SysUsage().(*syscall.Rusage).Maxrss > 100)
		}
		return said.String()
	},
	"a signal that is no signal's number": func(t *testing.T, m maker) string {
		cmd := m.sh(without, fields{}, "exec sleep 20")
		err := cmd.Start()
		wrong := m.process(cmd)(syscall.Signal(200))
		kill := m.process(cmd)(os.Kill)
		return lines(m.says(err), wrong != nil, m.says(kill), m.says(cmd.Wait()))
	},
}

// cancelled starts a command, ends its context when it has written a line, and shows the end.
func cancelled(t *testing.T, m maker, f fields, script string) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f.Stdout = w
	cmd := m.sh(ctx, f, script)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if _, err := r.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
	cancel()
	err = cmd.Wait()
	return lines(m.says(err), m.state(cmd).ExitCode())
}
