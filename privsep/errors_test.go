package privsep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
)

var (
	testContext = NewContext("net", CAP_NET_ADMIN)
	errBusy     = testContext.NewError("link_busy", "the link is busy")
	errGone     = testContext.NewError("link_gone", "the link is gone")
)

// TestErrorFrom: what a handler returns, and what errors.Is finds and does not find of it on the client.
func TestErrorFrom(t *testing.T) {
	_, missing := os.Open("/nonexistent/file")
	for _, test := range []struct {
		why    string
		err    error
		code   Code
		errno  syscall.Errno
		is     []error
		isNot  []error
		saying string
	}{
		{"plain text", errors.New("no such link"), CodeFailed, 0, []error{CodeFailed}, []error{fs.ErrNotExist, errBusy}, "no such link"},
		{"an errno", syscall.EBUSY, CodeFailed, syscall.EBUSY, []error{syscall.EBUSY, CodeFailed}, []error{CodeBusy, fs.ErrExist}, "busy"},
		{"an errno wrapped", fmt.Errorf("set: %w", os.NewSyscallError("ioctl", syscall.EPERM)), CodeFailed, syscall.EPERM,
			[]error{fs.ErrPermission, syscall.EPERM}, []error{CodeDenied, syscall.EACCES}, "set: ioctl"},
		{"os.Open's error", missing, CodeFailed, syscall.ENOENT, []error{fs.ErrNotExist, syscall.ENOENT}, []error{CodeNotExecutable}, "open /nonexistent/file"},
		{"fs's word without an errno", fmt.Errorf("x: %w", fs.ErrNotExist), CodeFailed, syscall.ENOENT, []error{fs.ErrNotExist}, nil, "x: "},
		{"fs.ErrExist", fs.ErrExist, CodeFailed, syscall.EEXIST, []error{fs.ErrExist}, []error{fs.ErrNotExist}, ""},
		{"fs.ErrPermission", fs.ErrPermission, CodeFailed, syscall.EPERM, []error{fs.ErrPermission}, nil, ""},
		{"a deadline", context.DeadlineExceeded, CodeDeadline, 0, []error{context.DeadlineExceeded, CodeDeadline}, []error{context.Canceled}, ""},
		{"a cancelled context", fmt.Errorf("x: %w", context.Canceled), CodeCancelled, 0, []error{context.Canceled}, []error{context.DeadlineExceeded}, ""},
		{"an I/O deadline is not the call's", os.ErrDeadlineExceeded, CodeFailed, 0, nil, []error{context.DeadlineExceeded}, ""},
		{"declared", errBusy, "net.link_busy", 0, []error{errBusy, Code("net.link_busy")}, []error{errGone, CodeBusy}, "the link is busy"},
		{"declared, wrapped, with an errno", fmt.Errorf("%w: %w", errGone, syscall.ENODEV), "net.link_gone", syscall.ENODEV,
			[]error{errGone, syscall.ENODEV}, []error{errBusy}, "the link is gone: "},
		{"declared, joined to a deadline", errors.Join(errBusy, context.DeadlineExceeded), "net.link_busy", 0, []error{errBusy}, nil, ""},
		{"of a call made in place", &CallError{Entrypoint: "net.other", Code: "net.link_busy", Errno: syscall.EBUSY, Message: "held", Outcome: Answered},
			"net.link_busy", syscall.EBUSY, []error{errBusy, syscall.EBUSY}, nil, "net.other: held"},
		{"its own", &CallError{Entrypoint: "net.test", Code: CodeDenied, Message: "no rule"}, CodeDenied, 0, []error{fs.ErrPermission}, []error{syscall.EPERM}, "no rule"},
		{"not executable", &CallError{Code: CodeNotExecutable}, CodeNotExecutable, 0, []error{fs.ErrNotExist}, nil, ""},
		// The daemon asks outside of its handler's recover: one such error would have ended the helper for everybody.
		{"a nil *fs.PathError", (*fs.PathError)(nil), CodePanicked, 0, []error{CodePanicked}, nil, "*fs.PathError, panicked"},
		{"a nil *CallError", (*CallError)(nil), CodePanicked, 0, []error{CodePanicked}, nil, "*privsep.CallError, panicked"},
	} {
		e := ErrorFrom("net.test", test.err)
		if e.Code != test.code || e.Errno != test.errno || e.Outcome != Answered || e.Entrypoint != "net.test" {
			t.Errorf("%s: %+v", test.why, e)
		}
		if !strings.Contains(e.Message, test.saying) {
			t.Errorf("%s: the message is %q", test.why, e.Message)
		}
		// The client has code, errno and message, and nothing of the handler's error.
		there := fmt.Errorf("call: %w", &CallError{Entrypoint: "net.test", Code: e.Code, Errno: e.Errno, Message: e.Message, Outcome: Answered})
		for _, target := range test.is {
			if !errors.Is(there, target) {
				t.Errorf("%s: errors.Is does not find %v", test.why, target)
			}
		}
		for _, target := range append(test.isNot, io.EOF) {
			if errors.Is(there, target) {
				t.Errorf("%s: errors.Is finds %v", test.why, target)
			}
		}
	}
	if e := ErrorFrom("net.test", nil); e != nil {
		t.Errorf("nil became %v", e)
	}
}

// TestCallErrorOwnMessage: an error that passes through ErrorFrom twice does not grow its entrypoint's name twice.
func TestCallErrorOwnMessage(t *testing.T) {
	once := ErrorFrom("net.test", errors.New("cause"))
	if again := ErrorFrom("net.test", once); again.Error() != "net.test: cause" {
		t.Errorf("%q", again.Error())
	}
}

func TestCallErrorText(t *testing.T) {
	for want, e := range map[string]*CallError{
		"net.a: text":                               {Entrypoint: "net.a", Code: CodeFailed, Message: "text", Outcome: Answered},
		"net.a: not executable":                     {Entrypoint: "net.a", Code: CodeNotExecutable, Outcome: Answered},
		"net.a: lost (whether it ran is not known)": {Entrypoint: "net.a", Code: CodeLost},
		"closed": {Code: CodeClosed, Outcome: NotSent},
	} {
		if e.Error() != want {
			t.Errorf("%q, want %q", e.Error(), want)
		}
	}
	if !errors.Is(&CallError{Code: CodeClosed}, fs.ErrClosed) {
		t.Error("a closed client is not fs.ErrClosed")
	}
}

// TestOutcome: the zero Outcome is the one that forbids a repetition.
func TestOutcome(t *testing.T) {
	var zero Outcome
	if zero != Unknown || zero.String() != "unknown" || NotSent.String() != "not sent" || Answered.String() != "answered" {
		t.Errorf("%v %v %v", zero, NotSent, Answered)
	}
}
