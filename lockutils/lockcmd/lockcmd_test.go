package lockcmd_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/lockutils"
	"github.com/privhelper/privhelper/lockutils/lockcmd"
	"github.com/privhelper/privhelper/lockutils/lockutilstest"
)

func TestMain(m *testing.M) {
	testenv.Main(m, testenv.Children{"lock": func(args []string) error {
		os.Exit(lockcmd.Main(args, os.Stderr))
		return nil
	}})
}

func code(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}

func TestExitCodes(t *testing.T) {
	s := lockutilstest.New(t)
	held, err := s.Lock(t.Context(), "taken")
	if err != nil {
		t.Fatal(err)
	}
	shared, err := s.RLock(t.Context(), "read")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		want int
		says string
	}{
		{"free -- true", 0, ""},
		{"free -- false", 1, ""},
		{"free -- sh -c exit${IFS}42", 42, ""},
		{"--timeout 0 taken -- true", 75, "is held by pid"},
		{"--timeout=50ms taken -- true", 75, "deadline exceeded"},
		{"--timeout 0.05 taken -- true", 75, "deadline exceeded"},
		{"--timeout 0 --shared read -- true", 0, ""},
		{"--timeout 0 read -- true", 75, "taken"},
		{"--fair free -- true", 0, ""},
		{"--oslo --prefix p a/b -- test -e FOLDER/p-a_b", 0, ""},
		{"free -- /no/such/command", 96, "no such file"},
		{"-- true", 98, "no name"},
		{"free true", 98, "no -- before"},
		{"free --", 98, "no command"},
		{"--bad free -- true", 98, "no option --bad"},
		{"--timeout x free -- true", 98, "is no time"},
		{"--timeout", 98, "needs a value"},
		{"--shared=1 a -- true", 98, "takes no value"},
		{"--wrapper --fair -- true", 98, "no other option"},
		{"--folder FOLDER/file free -- true", 97, "lock folder"},
	} {
		if err := os.WriteFile(filepath.Join(s.Folder, "file"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := testenv.Child(t, "lock", strings.Fields(strings.ReplaceAll(c.args, "FOLDER", s.Folder))...)
		cmd.Env = append(cmd.Env, "OSLO_LOCK_PATH="+s.Folder)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if got := code(cmd.Run()); got != c.want || !strings.Contains(stderr.String(), c.says) {
			t.Errorf("%s: %d, %s", c.args, got, stderr.String())
		}
	}
	if err := errors.Join(held.Unlock(), shared.Unlock()); err != nil {
		t.Fatal(err)
	}
}

// The lock is held as long as the command runs, or what it started; a signal reaches the command itself.
func TestHeldByTheCommand(t *testing.T) {
	s := lockutilstest.New(t)
	cmd := testenv.Child(t, "lock", "--folder", s.Folder, "a", "--", "sh", "-c", `trap 'echo got it; exit 7' TERM; echo ready; while :; do sleep 0.01; done`)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 6)
	if _, err := out.Read(line); err != nil || string(line) != "ready\n" {
		t.Fatalf("%q, %v", line, err)
	}
	_, err = s.TryLock(t.Context(), "a")
	var w *lockutils.WaitError
	if !errors.As(err, &w) || w.Holder == nil || w.Holder.Pid != cmd.Process.Pid || !strings.HasPrefix(w.Holder.Command, "sh ") {
		t.Errorf("it is free, or its holder unknown: %v", err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(out)
	if err != nil || string(rest) != "got it\n" {
		t.Errorf("the command said %q, %v", rest, err)
	}
	if got := code(cmd.Wait()); got != 7 {
		t.Errorf("exit code %d, want the command's own", got)
	}
	held, err := s.Lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := held.Unlock(); err != nil {
		t.Fatal(err)
	}
}

// oslo's lockutils-wrapper: a folder of its own, gone afterwards; signals are passed on and the exit code is kept.
func TestWrapper(t *testing.T) {
	tmp := t.TempDir()
	wrapper := func(script string) *exec.Cmd {
		cmd := testenv.Child(t, "lock", "--wrapper", "--", "sh", "-c", script)
		cmd.Env = append(cmd.Env, "TMPDIR="+tmp)
		return cmd
	}
	cmd := wrapper(`test -d "$OSLO_LOCK_PATH" && touch "$OSLO_LOCK_PATH/lock" && stat -c %a "$OSLO_LOCK_PATH"; exit 5`)
	out, err := cmd.Output()
	if code(err) != 5 || string(out) != "700\n" {
		t.Errorf("%d, %q", code(err), out)
	}
	cmd = wrapper(`trap 'exit 6' TERM; echo ready; while :; do sleep 0.01; done`)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := pipe.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := code(cmd.Wait()); got != 6 {
		t.Errorf("exit code %d after a signal that the command handles", got)
	}
	if got := code(wrapper(`kill -KILL $$`).Run()); got != 137 {
		t.Errorf("exit code %d for a command that was killed", got)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
