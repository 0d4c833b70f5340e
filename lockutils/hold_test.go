package lockutils_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/lockutils"
)

// holdChild takes a lock, says so, and keeps it until its input ends.
func holdChild(args []string) error {
	s := &lockutils.Set{Folder: args[0], Names: lockutils.Oslo}
	lock := s.Lock
	if len(args) > 2 && args[2] == "shared" {
		lock = s.RLock
	}
	held, err := lock(context.Background(), args[1])
	if err != nil {
		return err
	}
	fmt.Println("held")
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, held.Unlock())
}

// holder is another process that holds a lock.
type holder struct {
	*exec.Cmd
	stdin io.Closer
	ended bool
}

func startHolder(t testing.TB, cmd *exec.Cmd) *holder {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h := &holder{Cmd: cmd, stdin: in}
	t.Cleanup(h.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "held" {
		t.Fatalf("%v: %q, %v", cmd, line, err)
	}
	return h
}

// hold starts a process of ours that holds a lock, named as oslo does.
func hold(t testing.TB, folder, name string, more ...string) *holder {
	t.Helper()
	return startHolder(t, testenv.Child(t, "hold", append([]string{folder, name}, more...)...))
}

// free lets the holder give its lock back, and waits for its end.
func (h *holder) free(t testing.TB) {
	t.Helper()
	if err := h.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	h.ended = true
	if err := h.Wait(); err != nil {
		t.Fatal(err)
	}
}

// kill ends the holder as the kernel does, by SIGKILL.
func (h *holder) kill() {
	if h.ended {
		return
	}
	h.ended = true
	_ = h.Process.Kill()
	_ = h.Wait()
}
