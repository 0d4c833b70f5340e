package processutilstest_test

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/privhelper/privhelper/processutils"
	"github.com/privhelper/privhelper/processutils/processutilstest"
)

// recorder is a test that may fail.
type recorder struct {
	testing.TB
	said    strings.Builder
	cleanup []func()
}

func (r *recorder) Helper()                           {}
func (r *recorder) Cleanup(f func())                  { r.cleanup = append(r.cleanup, f) }
func (r *recorder) Errorf(format string, args ...any) { fmt.Fprintf(&r.said, format+"\n", args...) }

func TestFake(t *testing.T) {
	f := processutilstest.New(t)
	withInput := processutils.Cmd{Args: []string{"cat"}, Input: []byte("x"), Env: []string{"A=1"}}
	f.Expect(withInput, processutilstest.Reply{Stdout: "x", Stderr: "w"})
	f.Expect(processutils.Command("false"), processutilstest.Reply{Code: 1, Stderr: "no"})
	f.Expect(processutils.Command("gone"), processutilstest.Reply{Err: exec.ErrNotFound})
	f.Expect(processutils.Command("killed"), processutilstest.Reply{Signal: syscall.SIGKILL})

	fed := processutils.Cmd{Args: []string{"cat"}, Env: []string{"A=1"}, InputFunc: func() (io.Reader, error) { return strings.NewReader("x"), nil }}
	if res, err := f.Run(t.Context(), fed); err != nil || res.Stdout.String() != "x" || res.Stderr.String() != "w" {
		t.Errorf("%v, %v", res, err)
	}
	var failed *processutils.ExecError
	if _, err := f.Run(t.Context(), processutils.Command("false")); !errors.As(err, &failed) || failed.ExitCode() != 1 || failed.Stderr.String() != "no" {
		t.Error(err)
	}
	if _, err := f.Run(t.Context(), processutils.Command("gone")); !errors.Is(err, exec.ErrNotFound) {
		t.Error(err)
	}
	if _, err := f.Run(t.Context(), processutils.Command("killed")); !errors.As(err, &failed) || failed.Signal() != syscall.SIGKILL {
		t.Error(err)
	}
}

func TestFakeFails(t *testing.T) {
	r := &recorder{}
	f := processutilstest.New(r)
	f.Expect(processutils.Command("ip", "link", "set", "eth0"), processutilstest.Reply{})
	f.Expect(processutils.Command("second"), processutilstest.Reply{})
	_, err := f.Run(t.Context(), processutils.Command("ip", "link", "set", "eth1"))
	if !errors.Is(err, processutilstest.ErrUnexpected) || !strings.Contains(r.said.String(), "-arg eth0\n+arg eth1\n") {
		t.Errorf("%v, said %s", err, r.said.String())
	}
	r.said.Reset()
	if _, err := f.Run(t.Context(), processutils.Command("second")); !errors.Is(err, processutilstest.ErrUnexpected) {
		t.Errorf("out of order: %v", err)
	}
	f.AnyOrder = true
	if _, err := f.Run(t.Context(), processutils.Command("second")); err != nil {
		t.Error(err)
	}
	r.said.Reset()
	for _, f := range r.cleanup {
		f()
	}
	if !strings.Contains(r.said.String(), "not run:\narg ip\n") || strings.Contains(r.said.String(), "second") {
		t.Errorf("at the end: %s", r.said.String())
	}
}
