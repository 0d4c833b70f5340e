//go:build linux

package spawn

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
)

// said runs a command to its end and returns what it wrote.
func said(t *testing.T, g *Group, f *Forker, c Command) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c.Stdout = w
	p, err := g.Start(context.Background(), f, c)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if st, _ := p.Wait(); st.Code != 0 {
		t.Errorf("%v: %v", c.Argv, st)
	}
	return string(text)
}

// A command has descriptors 0 to 2 and its files, whatever numbers they and its program have here, and no other.
func TestFiles(t *testing.T) {
	if err := CloseOnExecFrom3(); err != nil { // what go test was started with
		t.Fatal(err)
	}
	g, f := newTestGroup(t, Options{}), newTestForker(t)
	dir := t.TempDir()
	var files []*os.File
	for _, name := range []string{"a", "b", "c"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		files = append([]*os.File{file}, files...) // so that they must be moved past each other
	}
	program, err := os.Open("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	for _, p := range []*os.File{nil, program} {
		c := shell("cat /proc/self/fd/3 /proc/self/fd/4 /proc/self/fd/5; exec ls /proc/self/fd", nil)
		c.Files, c.Program = files, p
		// ls has one more open: the folder.
		if got := strings.Join(strings.Fields(said(t, g, f, c)), " "); got != "cba0 1 2 3 4 5 6" {
			t.Errorf("program %v: %q", p, got)
		}
	}
}

// What is executed is the file that was opened, not what stands at its path now.
func TestProgram(t *testing.T) {
	g, f := newTestGroup(t, Options{}), newTestForker(t)
	path := filepath.Join(t.TempDir(), "program")
	if err := os.Symlink("/bin/echo", path); err != nil {
		t.Fatal(err)
	}
	program, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	if err := errors.Join(os.Remove(path), os.Symlink("/bin/false", path)); err != nil {
		t.Fatal(err)
	}
	c := Command{Path: path, Program: program, Argv: []string{"name", "text"}, Setsid: true}
	if got := said(t, g, f, c); got != "text\n" {
		t.Errorf("%q", got)
	}
}

// Limits hold from the first instruction, and what else the command is stays as it is.
func TestLimits(t *testing.T) {
	eachMethod(t, func(t *testing.T, g *Group, f *Forker) {
		c := shell("ulimit -Sn; ulimit -Hn; sed -n 's/Max processes *//p' /proc/self/limits; grep -E '^(TracerPid|State)' /proc/self/status", nil)
		c.Limits = []Limit{{unix.RLIMIT_NOFILE, 20, 40}, {unix.RLIMIT_NPROC, 600, 600}}
		got := strings.Fields(said(t, g, f, c))
		if want := "20 40 600 600 processes State: R (running) TracerPid: 0"; strings.Join(got, " ") != want {
			t.Errorf("%q, want %q", got, want)
		}
		var own unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &own); err != nil || own.Max == 40 {
			t.Errorf("this process has %v, %v", own, err)
		}
		// A limit that cannot be set starts nothing.
		c.Limits = []Limit{{unix.RLIMIT_NOFILE, 1 << 40, 1 << 40}}
		if p, err := g.Start(context.Background(), f, c); !errors.Is(err, syscall.EPERM) {
			t.Errorf("a limit above the kernel's: %v, %v", p, err)
		}
		// One that ends it while it is stopped or right after ends nothing else.
		c.Limits = []Limit{{unix.RLIMIT_CPU, 0, 0}}
		c.Argv = []string{"sh", "-c", "while :; do :; done"}
		p, err := g.Start(context.Background(), f, c)
		if err != nil {
			t.Fatal(err)
		}
		if st, _ := p.Wait(); st.Signal != syscall.SIGKILL && st.Signal != syscall.SIGXCPU {
			t.Error(st)
		}
	})
}

// A command with a network of its own sees lo, down, and shares nothing with the next.
func TestNewNetwork(t *testing.T) {
	testenv.NeedRoot(t)
	g, f := newTestGroup(t, Options{}), newTestForker(t)
	var seen []string
	for range 2 {
		c := shell("tail -n +3 /proc/self/net/dev | cut -d: -f1; cat /proc/self/net/route | wc -l; readlink /proc/self/ns/net", nil)
		c.NewNetwork = true
		lines := strings.Fields(said(t, g, f, c))
		if len(lines) != 3 || lines[0] != "lo" || lines[1] != "0" {
			t.Fatalf("%q", lines)
		}
		seen = append(seen, lines[2])
	}
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil || seen[0] == own || seen[1] == own {
		t.Errorf("%q, this process has %s, %v", seen, own, err)
	}
}

// WaitTree waits for what a command leaves behind, and for no longer.
func TestWaitTree(t *testing.T) {
	eachMethod(t, func(t *testing.T, g *Group, f *Forker) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		script := "(setsid sh -c 'read x; sleep 0.01 & exit' <&3 & ) & exit"
		if g.cg == nil && !g.tagged { // an ordinary user: what has called setsid is nobody's
			script = strings.Replace(script, "setsid", "", 1)
		}
		c := shell(script, nil)
		c.Files = []*os.File{r}
		p, err := g.Start(context.Background(), f, c)
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		if _, err := p.Wait(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := p.WaitTree(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("while a daemon of it lives: %v", err)
		}
		w.Close()
		ctx, cancel = context.WithTimeout(t.Context(), bound)
		defer cancel()
		if err := p.WaitTree(ctx); err != nil {
			t.Fatal(err)
		}
		if gone, err := p.gone(); !gone || err != nil {
			t.Error(gone, err)
		}
		p, _ = start(t, g, f, "exit 0")
		if err := p.WaitTree(ctx); err != nil {
			t.Errorf("one that leaves nothing: %v", err)
		}
	})
}

// A retired kind of thread starts nothing more, and its thread ends with its last command and not before: the command
// would end with it.
func TestRetire(t *testing.T) {
	g := newTestGroup(t, Options{})
	tids := make(chan int, 8)
	f, err := NewForker(func() error { tids <- unix.Gettid(); return nil })
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c := shell("read x", nil)
	c.Stdin = r
	p, err := g.Start(context.Background(), f, c)
	if err != nil {
		t.Fatal(err)
	}
	thread := "/proc/self/task/" + itoa(<-tids)
	f.Retire()
	f.Retire()
	if _, err := g.Start(context.Background(), f, c); !errors.Is(err, ErrRetired) {
		t.Errorf("one more: %v", err)
	}
	if _, err := os.Stat(thread); err != nil {
		t.Errorf("the thread ended before its command: %v", err)
	}
	w.Close()
	if st, _ := p.Wait(); st.Signal != 0 {
		t.Errorf("the command ended by %v", st)
	}
	for deadline := time.Now().Add(bound); ; time.Sleep(time.Millisecond) { // no event tells of a thread's end
		if _, err := os.Stat(thread); errors.Is(err, os.ErrNotExist) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the thread lives on")
		}
	}
}
