package confine

import (
	"strings"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

// One thread is not as the others are: Verify names it, and the line.
func TestVerifyFindsOneThread(t *testing.T) {
	testenv.NeedRoot(t)
	for _, line := range []string{"CapPrm", "CapEff", "CapBnd", "CapInh", "Uid", "Gid", "Groups"} {
		t.Run(line, func(t *testing.T) {
			out := string(testenv.Output(t, testenv.Child(t, "differ", line)))
			tid, text, _ := strings.Cut(out, " ")
			if !strings.Contains(text, "thread "+tid+" ") || !strings.Contains(text, ": "+line+" in its /proc status") {
				t.Errorf("thread %s, Verify: %s", tid, text)
			}
		})
	}
}

// A change in all threads ends the process where one answers differently: Apply looks before.
func TestApplyRefusesAfterConfineThread(t *testing.T) {
	testenv.NeedRoot(t)
	out := string(testenv.Output(t, testenv.Child(t, "differ", "Apply")))
	if !strings.Contains(out, "CapBnd in its /proc status is none") || !strings.Contains(out, "before any of its threads") {
		t.Errorf("Apply: %s", out)
	}
}

func TestVerifyFindsTheProcess(t *testing.T) {
	testenv.NeedRoot(t)
	for _, c := range []struct{ child, what, want string }{
		{"differ", "nothing", ""},
		{"differ", "NoNewPrivs", "NoNewPrivs in its /proc status is false"},
		{"differ", "more is kept than asked for", "CapPrm in its /proc status"},
		{"differ", "securebits", "must be 0xef"},
		{"regain", "nothing", ""},
		{"regain", "saved uid", "change to uid 0: it worked"},
		{"regain", "dumpable", "dumpable (1)"},
		{"regain", "umask", "umask is 022"},
		{"regain", "directory", "working directory is /proc"},
	} {
		t.Run(c.child+" "+c.what, func(t *testing.T) {
			out := strings.TrimSpace(string(testenv.Output(t, testenv.Child(t, c.child, c.what))))
			if !strings.Contains(out, c.want) || (c.want == "") != (out == "") {
				t.Errorf("Verify: %q; want %q in it", out, c.want)
			}
		})
	}
}
