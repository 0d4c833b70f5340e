package testenv

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// leaks runs the tests and says which goroutines they have left, once those that are about to end have had their time.
func leaks(m *testing.M) int {
	code := m.Run()
	if code != 0 {
		return code
	}
	// A Forker's threads are never to end (internal/spawn), but with their process.
	err := goleak.Find(goleak.IgnoreAnyFunction("github.com/privhelper/privhelper/internal/spawn.(*Forker).live"))
	if err != nil {
		fmt.Fprintf(os.Stderr, "testenv: the tests have passed and left behind: %v\n", err)
		return 1
	}
	return 0
}

// WaitGoroutine waits until a goroutine is in a function, given as a stack trace has it: "client.(*session).receive(". It is for
// tests that count goroutines, where one comes some time after what they do.
func WaitGoroutine(t testing.TB, function string) {
	t.Helper()
	stacks := make([]byte, 1<<20)
	for end := time.Now().Add(10 * time.Second); !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte(function)); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no goroutine is in %s", function)
		}
	}
}
