//go:build linux

package spawn

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/testenv"
)

// leaseChild takes a lease on the file args[0], as Samba and knfsd do, and holds it until its standard input ends: whoever
// opens the file waits, as for a server that does not answer.
func leaseChild(args []string) error {
	signal.Ignore(syscall.SIGIO) // which asks to give the lease up
	fd, err := unix.Open(args[0], unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		return fmt.Errorf("lease: %w", err)
	}
	fmt.Println("leased")
	_, _ = os.Stdin.Read(make([]byte, 1))
	return nil
}

// lease makes path hang whoever opens it, until the returned function is called.
func lease(t *testing.T, path string) (release func()) {
	t.Helper()
	cmd := testenv.Child(t, "lease", path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	lines := pipeLines(t, cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := lines.ReadString('\n'); err != nil {
		t.Fatal(line, err)
	}
	release = func() { in.Close(); cmd.Wait() }
	t.Cleanup(release)
	return release
}

// A program on a file system that does not answer must hold up its own start only: not the other starts, not the reaper,
// not Close, not the garbage collector (a thread in vfork counts as one that runs Go code).
func TestHangingProgram(t *testing.T) {
	for _, name := range []string{"program", "interpreter"} {
		t.Run(name, func(t *testing.T) {
			eachMethod(t, func(t *testing.T, g *Group, f *Forker) {
				dir := t.TempDir()
				program, script := filepath.Join(dir, "program"), filepath.Join(dir, "script")
				text, err := os.ReadFile("/bin/true")
				if err != nil {
					t.Fatal(err)
				}
				if err := errors.Join(os.WriteFile(program, text, 0o755), os.WriteFile(script, []byte("#!"+program+"\n"), 0o755)); err != nil {
					t.Fatal(err)
				}
				hangs := Command{Path: program, Argv: []string{"x"}, Setsid: true}
				if name == "interpreter" {
					hangs.Path = script
				}
				release := lease(t, program)

				ctx, cancel := context.WithCancel(context.Background())
				results := make(chan error)
				for _, ctx := range []context.Context{ctx, context.Background()} {
					go func() {
						p, err := g.Start(ctx, f, hangs)
						if err == nil {
							_, err = p.Wait()
						}
						results <- err
					}()
				}
				waits := time.Now()
				for n := 0; n < 2; n = blocked(t) {
					if time.Since(waits) > bound {
						t.Fatal("the starts do not hang: this test tests nothing")
					}
				}
				within(t, "garbage collection", runtime.GC)
				within(t, "another command", func() {
					if p, _ := start(t, g, f, "exit 7"); p != nil {
						if st, err := p.Wait(); err != nil || st.Code != 7 {
							t.Error(st, err)
						}
					}
				})
				within(t, "another group's Close", func() {
					if err := newTestGroup(t, Options{NoCgroup: g.cg == nil}).Close(); err != nil {
						t.Error(err)
					}
				})
				cancel()
				release()
				first, second := <-results, <-results
				if first == nil {
					first, second = second, first
				}
				if !errors.Is(first, context.Canceled) || second != nil {
					t.Errorf("the cancelled start: %v, the other: %v", first, second)
				}
			})
		})
	}
}

// blocked counts threads of this process that wait for a lease to be given up.
func blocked(t *testing.T) (n int) {
	list, err := filepath.Glob("/proc/self/task/*/syscall")
	if err != nil || len(list) == 0 {
		testenv.Miss(t, "needs /proc/PID/syscall")
	}
	for _, path := range list {
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		var number int
		line, _ := bufio.NewReader(f).ReadString('\n')
		f.Close()
		if _, err := fmt.Sscan(line, &number); err == nil && number == unix.SYS_OPENAT {
			n++
		}
	}
	return n
}

func within(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	select {
	case <-done:
	case <-time.After(bound):
		t.Fatal(what, "waits for a program that hangs")
	}
}
