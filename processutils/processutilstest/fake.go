// Package processutilstest pretends to run commands, for the tests of code that has a processutils.Runner.
//
//	f := processutilstest.New(t)
//	f.Expect(processutils.Command("ip", "link", "show"), processutilstest.Reply{Stdout: "1: lo\n"})
//	err := codeUnderTest(f)
//
// The test fails, with a diff, when another command is run than was expected, and at its end when one was not run.
package processutilstest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/privhelper/privhelper/processutils"
)

// ErrUnexpected is what a command that was not expected fails with, beside the failure of the test.
var ErrUnexpected = errors.New("the test expected another command")

// Reply is what a command comes to. The zero Reply is success without output.
type Reply struct {
	Stdout, Stderr string
	Code           int            // exit code; judged by the command's own Accept
	Signal         syscall.Signal // or the signal that ends it
	// Err fails the run at Stage before there is a status: exec.ErrNotFound with processutils.StageExec, say. Stage is
	// processutils.StageExec where it is left out.
	Err   error
	Stage processutils.Stage
}

// Fake is a processutils.Runner that runs nothing. It may be used by many goroutines.
type Fake struct {
	// AnyOrder lets the expected commands come in any order. Set it before the first Run.
	AnyOrder bool

	t        testing.TB
	mu       sync.Mutex
	expected []expectation
}

type expectation struct {
	cmd   processutils.Cmd
	input string
	reply Reply
}

// New returns a Fake that fails t.
func New(t testing.TB) *Fake {
	t.Helper()
	f := &Fake{t: t}
	t.Cleanup(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, e := range f.expected {
			t.Errorf("a command was not run:\n%s", describe(e.cmd, e.input))
		}
	})
	return f
}

// Expect says that a command will be run, once, and what it comes to. What shapes the run is compared: Args, Dir, Env,
// OnlyEnv, the input, Limits. The rest of c is not looked at.
func (f *Fake) Expect(c processutils.Cmd, r Reply) {
	f.t.Helper()
	input, err := inputOf(c)
	if err != nil {
		f.t.Fatalf("read the input of an expected command: %v", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.expected = append(f.expected, expectation{c, input, r})
}

// Run compares the command with what is expected and gives the Reply: processutils.Runner.
func (f *Fake) Run(ctx context.Context, c processutils.Cmd) (processutils.Result, error) {
	f.t.Helper()
	a, err := c.Begin(ctx)
	if err != nil {
		return processutils.Result{Status: processutils.Status{Code: -1}, Attempt: 1}, err
	}
	failed := processutils.Status{Code: -1}
	input, err := inputOf(c)
	if err != nil {
		return a.End(failed, processutils.StageStart, err)
	}
	r, ok := f.take(c, input)
	if !ok {
		return a.End(failed, processutils.StageExec, ErrUnexpected)
	}
	if r.Err != nil {
		if r.Stage == "" {
			r.Stage = processutils.StageExec
		}
		return a.End(failed, r.Stage, r.Err)
	}
	a.Started(processutils.Process{})
	io.WriteString(a.Stdout, r.Stdout)
	io.WriteString(a.Stderr, r.Stderr)
	status := processutils.Status{Code: r.Code, Signal: r.Signal}
	if r.Signal != 0 {
		status.Code = -1
	}
	return a.End(status, processutils.StageWait, nil)
}

// take finds the expectation that the command meets and removes it, or fails the test with what differs.
func (f *Fake) take(c processutils.Cmd, input string) (Reply, bool) {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	got := describe(c, input)
	for i, e := range f.expected {
		if describe(e.cmd, e.input) == got {
			f.expected = append(f.expected[:i:i], f.expected[i+1:]...)
			return e.reply, true
		}
		if !f.AnyOrder {
			break
		}
	}
	if len(f.expected) == 0 {
		f.t.Errorf("a command was run, and none is expected any more:\n%s", got)
		return Reply{}, false
	}
	next := f.expected[0]
	f.t.Errorf("another command was run than expected:\n%s", diff.Diff("expected", []byte(describe(next.cmd, next.input)), "run", []byte(got)))
	return Reply{}, false
}

// describe writes what is compared, a line each. It masks nothing: the secrets of a test are not secret, and a difference
// in one must show.
func describe(c processutils.Cmd, input string) string {
	var b strings.Builder
	for _, arg := range c.Args {
		fmt.Fprintf(&b, "arg %s\n", processutils.Quote([]string{arg}))
	}
	if c.Dir != "" {
		fmt.Fprintf(&b, "dir %q\n", c.Dir)
	}
	if c.OnlyEnv {
		b.WriteString("this environment alone\n")
	}
	for _, v := range c.Env {
		fmt.Fprintf(&b, "env %s\n", processutils.Quote([]string{v}))
	}
	if c.Stdin != nil {
		fmt.Fprintf(&b, "input file %q\n", c.Stdin.Name())
	}
	if input != "" {
		fmt.Fprintf(&b, "input %q\n", input)
	}
	l := c.Limits
	for _, limit := range []struct {
		name string
		of   *processutils.Limit
	}{
		{"address_space", l.AddressSpace}, {"core_file_size", l.CoreFileSize}, {"cpu_time", l.CPUTime}, {"data_size", l.DataSize},
		{"file_size", l.FileSize}, {"memory_locked", l.MemoryLocked}, {"number_files", l.NumberFiles},
		{"number_processes", l.NumberProcesses}, {"resident_set_size", l.ResidentSetSize}, {"stack_size", l.StackSize},
	} {
		if limit.of != nil {
			fmt.Fprintf(&b, "limit %s %v\n", limit.name, *limit.of)
		}
	}
	return b.String()
}

func inputOf(c processutils.Cmd) (string, error) {
	if c.InputFunc == nil {
		return string(c.Input), nil
	}
	r, err := c.InputFunc()
	if err != nil {
		return "", err
	}
	if closer, ok := r.(io.Closer); ok {
		defer closer.Close()
	}
	text, err := io.ReadAll(r)
	return string(text), err
}
