package turn

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// TestServe: a turn has every operation of every caller, each as the operation itself says it took.
func TestServe(t *testing.T) {
	var out strings.Builder
	calls := make([]int, 3)
	op := func(caller int) (time.Duration, error) {
		calls[caller]++
		return time.Duration(1000 + caller), nil
	}
	if err := Serve(strings.NewReader("3 0\n1 0\n"), &out, op); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	if _, each, _ := strings.Cut(lines[0], " "); each != "1000 1001 1002" {
		t.Errorf("three callers: %q", lines[0])
	}
	if _, each, _ := strings.Cut(lines[1], " "); each != "1000" || calls[0] != 2 {
		t.Errorf("one caller: %q, %v", lines[1], calls)
	}
}

// TestServeFails: nonsense, and an operation that fails, end the program and are no turn.
func TestServeFails(t *testing.T) {
	failed := errors.New("failed")
	var out strings.Builder
	for in, op := range map[string]Op{"1 0\n": func(int) (time.Duration, error) { return 0, failed }, "many\n": Timed(func() error { return nil })} {
		if err := Serve(strings.NewReader(in), &out, op); err == nil || out.Len() > 0 {
			t.Errorf("%q: %v, answered %q", in, err, out.String())
		}
	}
}

// TestProcess: a program that dies in its turn is an error that says what it said.
func TestProcess(t *testing.T) {
	p, err := Start("sh", "-c", "read line; echo 2000000000 1 2 3 4; read line; echo gone >&2")
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.Turn(1, time.Second)
	if err != nil || s.Quantile(0.5) != 3 || s.Quantile(1) != 4 || s.PerSecond() != 2 {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := p.Turn(1, time.Second); !errors.Is(err, io.EOF) || !strings.Contains(err.Error(), "gone") {
		t.Errorf("%v", err)
	}
}
